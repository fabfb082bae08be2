"""Our names against the state dicts of the published models."""

import json
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict
from hclip_jax.configs import vitb, vitl
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model
from hclip_jax.weights.layouts.hclip import adapter_tensors, hclip_tensors, leftover
from hclip_jax.weights.layouts.layout import flatten, read, unflatten, write
from hclip_jax.weights.layouts.openai import clip_tensors
from hclip_jax.weights.lazy_array import LazyArray
from tests import tolerance
from tests.small_models import micro, micro_tuned, mini, mini_params

FOLDER = Path(__file__).parent


def full_size(module: object) -> Config:
    c = module.get_config()
    c.clip.weights, c.data.root = "random", "scenes"
    return from_config_dict(c)


def test_published_hclip_state_dict() -> None:
    published = json.loads((FOLDER / "hclip_vitb.json").read_text())
    ours = list(hclip_tensors(full_size(vitb).architecture))
    by_name = {name: list(t.shape) for t in ours for name in (t.name, *t.aliases)}
    assert by_name == published["parameters"]
    assert all(leftover(name) for name in published["buffers"])
    assert not any(leftover(name) for name in by_name)


def test_published_openai_state_dict() -> None:
    published = json.loads((FOLDER / "openai_vitl.json").read_text())
    assert {t.name: list(t.shape) for t in clip_tensors(full_size(vitl).clip)} == published


@pytest.mark.parametrize("config", [full_size(vitb), full_size(vitl), mini(), micro()])
def test_every_element_of_our_tree_has_one_place(config: Config) -> None:
    like = jax.eval_shape(Model(config.architecture).init, jax.random.key(0))
    leaves = flatten(like)
    parts = [p for t in hclip_tensors(config.architecture) for p in t.parts]
    assert {p.leaf for p in parts} == set(leaves)
    # Regions of a leaf are whole or one a layer (and matrix): they tile it if they are all different.
    places = [(p.leaf, p.at) for p in parts]
    split = [p for p in parts if p.source and not p.at]  # halves of one PyTorch tensor
    assert len(set(places)) == len(places)
    assert all(p.leaf.startswith("head/") for p in split)
    for leaf in leaves:
        regions = [at for name, at in places if name == leaf]
        depth = len(regions[0])
        assert len(regions) == math.prod(leaves[leaf].shape[:depth])


def test_round_trip() -> None:
    tensors = list(hclip_tensors(mini().architecture))
    file = write(tensors, mini_params())
    like = jax.eval_shape(Model(mini().architecture).init, jax.random.key(0))
    tolerance.assert_same(read(tensors, file, like, "the file"), mini_params())


def test_towers_of_unequal_depth() -> None:
    config = micro()  # 2 text layers, 3 vision layers
    tensors = list(adapter_tensors(config.clip, config.adapters.block_size))
    rng = np.random.default_rng(0)
    like = {"adapters": jax.eval_shape(Model(config.architecture).init, jax.random.key(0))["adapters"]}
    tree = jax.tree.map(lambda x: rng.standard_normal(x.shape, np.float32), like)
    file = write(tensors, tree)
    shared = np.asarray(file[tensors[0].name])
    assert shared.shape == (8, 8, 12, 4)
    assert (shared[:, :, 8:, :2] == 0).all()  # the third layer of text does not exist
    tolerance.assert_same(read(tensors, file, like, "the file"), tree)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "lora"),
        ("method", "none"),
        ("towers", ("text",)),
        ("layers", (1,)),
        ("targets", ("query",)),
        ("orthogonal", ()),
        ("parts", ("pop",)),
        ("relation", "mlp"),
        ("cayley", "neumann"),
        ("coft_radius", 0.1),
    ],
)
def test_other_methods_than_the_published_have_no_names(field: str, value: Any) -> None:
    config = micro_tuned(**{field: value})
    with pytest.raises(UserError, match=rf"no names for a model of another adapters.{field} .*; merge"):
        list(hclip_tensors(config.architecture))
    assert list(hclip_tensors(micro_tuned(rank=3)))  # nothing that H-CLIP reads


def test_difference_names_all_three_kinds() -> None:
    tensors = list(clip_tensors(mini().clip))
    file: dict[str, Any] = dict(write(tensors, {"clip": mini_params()["clip"]}))
    file["surprise"] = np.zeros(3)
    del file["ln_final.bias"]
    file["visual.proj"] = np.asarray(file["visual.proj"]).T
    like = {"clip": mini_params()["clip"]}
    with pytest.raises(UserError) as error:
        read(tensors, file, like, "clip.safetensors")
    message = str(error.value)
    assert message.startswith("clip.safetensors does not fit the model")
    assert "only in the file: surprise" in message
    assert "only in the model: ln_final.bias" in message
    assert "shape differs: visual.proj (32, 96) in the file, (96, 32) in the model" in message


def test_aliases_must_agree() -> None:
    tensors = list(hclip_tensors(mini().architecture))
    file = write(tensors, mini_params())
    alias = next(t for t in tensors if t.aliases).aliases[3]
    file[alias] = LazyArray.of(np.asarray(file[alias]) + 1)
    with pytest.raises(UserError, match="name one shared tensor but hold different values"):
        read(tensors, file, mini_params(), "the file")


def test_flatten() -> None:
    tree = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert flatten(tree) == {"a/b": 1, "a/c/d": 2, "e": 3}
    assert unflatten(flatten(tree)) == tree
