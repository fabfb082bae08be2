"""Checking, reading and writing by a name table."""

from typing import Any

import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import PARTS, param_shapes
from hclip_jax.weights.layouts import layout
from hclip_jax.weights.layouts.hclip import hclip_tensors
from hclip_jax.weights.layouts.openai import clip_tensors
from hclip_jax.weights.lazy_array import LazyArray
from tests import tolerance
from tests.small_models import mini, mini_params


def params() -> dict[str, Any]:
    """The parameters of the parity cases by path."""
    return dict(flatten_dict(mini_params(), sep="/"))


def test_read_inverts_write() -> None:
    config = mini()
    tensors = list(hclip_tensors(config.architecture))
    file = layout.write(tensors, params())
    layout.check(tensors, file, "file")
    shapes = param_shapes(config.clip, config.architecture, frozenset(PARTS))
    params_again = {path: np.asarray(x) for path, x in layout.read(tensors, file, shapes, "file").items()}
    tolerance.assert_same(params_again, params())


def test_values_that_are_not_finite_are_refused_when_loaded() -> None:
    tensors = list(clip_tensors(mini().clip))
    file = {name: np.asarray(tensor) for name, tensor in layout.write(tensors, params()).items()}
    file["visual.proj"] = np.full_like(file["visual.proj"], np.nan)
    shapes = param_shapes(mini().clip, None, frozenset())
    read = layout.read(tensors, file, shapes, "clip.pt")
    np.asarray(read["clip/text/projection"])
    with pytest.raises(UserError, match=r"clip.pt: visual.proj holds values that are not finite"):
        np.asarray(read["clip/image/projection"])


def test_difference_lists_names_and_shapes() -> None:
    tensors = list(clip_tensors(mini().clip))
    file: dict[str, Any] = dict(layout.write(tensors, params()))
    file["surprise"] = np.zeros(3)
    del file["ln_final.bias"]
    file["visual.proj"] = np.asarray(file["visual.proj"]).T
    with pytest.raises(UserError) as error:
        layout.check(tensors, file, "clip.safetensors")
    message = str(error.value)
    assert message.startswith("clip.safetensors does not fit the model")
    assert "only in the file: surprise" in message
    assert "only in the model: ln_final.bias" in message
    assert "shape differs: visual.proj (32, 96) in the file, (96, 32) in the model" in message


def test_long_lists_are_cut() -> None:
    tensors = list(clip_tensors(mini().clip))
    with pytest.raises(UserError) as error:
        layout.check(tensors, {}, "clip.pt")
    message = str(error.value)
    assert f", ... ({len(tensors)} in all)" in message
    assert message.isprintable()
    assert len(message) < 300


def test_integers_are_refused() -> None:
    tensors = list(clip_tensors(mini().clip))
    file: dict[str, Any] = dict(layout.write(tensors, params()))
    file["visual.proj"] = np.asarray(file["visual.proj"]).astype(np.int32)
    with pytest.raises(UserError, match=r"visual.proj is int32; weights must be floating-point"):
        layout.check(tensors, file, "clip.pt")


def test_aliases_must_agree() -> None:
    tensors = list(hclip_tensors(mini().architecture))
    file = layout.write(tensors, params())
    alias = next(tensor for tensor in tensors if tensor.aliases).aliases[3]
    file[alias] = LazyArray.of(np.asarray(file[alias]) + 1)
    with pytest.raises(UserError, match="names of one shared tensor but hold different values"):
        layout.check(tensors, file, "file")
