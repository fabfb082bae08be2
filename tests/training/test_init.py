"""The initial weights of a training."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model, init_clip
from hclip_jax.models.params import Params
from hclip_jax.sharding import make_mesh
from hclip_jax.training.init import initial_params
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.layouts.huggingface import huggingface_tensors
from hclip_jax.weights.layouts.layout import write
from hclip_jax.weights.layouts.openai import clip_tensors
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from hclip_jax.weights.safetensors_file import write_safetensors
from hclip_jax.weights.torch_zip.writer import write_torch
from tests import tolerance
from tests.hub_server import Hub, Repo
from tests.small_models import micro
from tests.weights.sample_files import FILES

CLIP = micro().clip


@pytest.fixture(scope="module")
def half_clip() -> Params:
    """CLIP's parameters as float16, from another seed than the configuration's."""
    params = jax.jit(lambda rng: init_clip(CLIP, rng, rng))(jax.random.key(7))
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float16), params)


@pytest.fixture(scope="module")
def files(half_clip: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same CLIP as a file of OpenAI's names, of Hugging Face's in a folder, and a model directory."""
    folder = tmp_path_factory.mktemp("clip")
    params = flatten_dict({"clip": half_clip}, sep="/")
    write_torch(folder / "clip.pt", write(clip_tensors(CLIP), params))
    (folder / "huggingface").mkdir()
    tensors = write(huggingface_tensors(CLIP), params)
    write_safetensors(folder / "huggingface" / "model.safetensors", tensors, {})
    lazy = {path: LazyArray.of(np.asarray(param)) for path, param in params.items()}
    save_model(folder / "directory", Checkpoint("memory", "a test", CLIP, None, lazy))
    return folder


def config(weights: Path, **clip: Any) -> Config:
    return dataclasses.replace(micro(), clip=dataclasses.replace(CLIP, weights=str(weights), **clip))


def model_of(c: Config) -> Model:
    return Model(c.architecture)


@pytest.mark.parametrize("name", ["clip.pt", "huggingface", "directory"])
def test_clip_is_that_of_the_weights(name: str, files: Path, half_clip: Params) -> None:
    """Neither file nor folder gives the number of heads: it comes from the configuration."""
    mesh = make_mesh(1)
    params = initial_params(model_of(config(files / name)), 0, mesh)
    tolerance.assert_same(params["clip"], jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), half_clip))
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))
    random = initial_params(model_of(micro()), 0, mesh)
    tolerance.assert_same(params["adapters"], random["adapters"])
    tolerance.assert_same(params["head"], random["head"])


def test_clip_by_name(files: Path, half_clip: Params, hub: Hub) -> None:
    content = (files / "huggingface" / "model.safetensors").read_bytes()
    hub.repos["models/openai/clip"] = Repo({"model.safetensors": content})
    by_name = dataclasses.replace(micro(), clip=dataclasses.replace(CLIP, weights="hf:openai/clip"))
    params = initial_params(model_of(by_name), 0, make_mesh(1))
    tolerance.assert_same(params["clip"], jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), half_clip))


def refused(config: Config) -> str:
    with pytest.raises(UserError) as error:
        initial_params(model_of(config), 0, make_mesh(1))
    message = str(error.value)
    assert message.startswith(config.clip.weights)
    assert message.isprintable()
    return message


@pytest.mark.parametrize("name", ["clip.pt", "directory"])
def test_every_size_that_differs_is_named(name: str, files: Path) -> None:
    image = dataclasses.replace(CLIP.image, num_layers=4, patch_size=4)
    message = refused(config(files / name, image=image))
    assert "holds a CLIP with image.num_layers = 3, image.patch_size = 8, but" in message
    assert "but config.clip has image.num_layers = 4, image.patch_size = 4;" in message


def test_an_activation_that_differs_is_named(files: Path) -> None:
    message = refused(config(files / "directory", activation="gelu"))
    assert "holds a CLIP with activation = quick_gelu, but config.clip has activation = gelu;" in message


def test_openais_files_say_their_activation(tmp_path: Path, half_clip: Params) -> None:
    tensors = dict(write(clip_tensors(CLIP), flatten_dict({"clip": half_clip}, sep="/")))
    tensors["input_resolution"] = LazyArray.of(np.asarray(24))
    write_torch(tmp_path / "clip.pt", tensors)
    message = refused(config(tmp_path / "clip.pt", activation="gelu"))
    assert "activation = quick_gelu, but config.clip has activation = gelu" in message


def test_a_directory_without_clip(tmp_path: Path) -> None:
    model = open_checkpoint(FILES / "hclip.pth")
    adapters = dataclasses.replace(model.only("adapters", "head"), base_fingerprint="of CLIP")
    save_model(tmp_path / "adapters", adapters)
    clip = dataclasses.replace(model.clip, weights=str(tmp_path / "adapters"))
    assert "holds no CLIP" in refused(dataclasses.replace(micro(), clip=clip))


def test_a_directory_with_adapters(tmp_path: Path) -> None:
    """Adapters are not dropped silently: the CLIP would not be that of the directory."""
    model = open_checkpoint(FILES / "hclip.pth")
    save_model(tmp_path / "whole", model)
    clip = dataclasses.replace(model.clip, weights=str(tmp_path / "whole"))
    message = refused(dataclasses.replace(micro(), clip=clip))
    assert "holds CLIP with adapters, which a training would lose; fold them in first: " in message
    assert f"hclip merge {tmp_path / 'whole'} TARGET --format=model" in message
