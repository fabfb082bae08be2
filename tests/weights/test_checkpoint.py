"""Checkpoints: adapters and their CLIP, fingerprints."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.export import merge_adapters
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import load_model, save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES
from tests.weights.sample_models import clip_alone, values, without_clip


def test_adapters_on_their_clip_are_the_whole_model(model: Checkpoint, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", without_clip(model))
    save_model(tmp_path / "clip", dataclasses.replace(model.only("clip"), spec=None))
    adapters = load_model(tmp_path / "adapters")
    assert adapters.parts == ("adapters", "head")
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP; .* as --base"):
        adapters.require_spec()
    combined = adapters.on_base(load_model(tmp_path / "clip"))
    assert values(combined) == values(model)
    assert combined.require_spec() == model.spec


def test_base_must_be_the_same_clip(model: Checkpoint, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", without_clip(model))
    adapters = load_model(tmp_path / "adapters")
    with pytest.raises(UserError, match=r"catseg.pth is not the CLIP that .*adapters was trained on"):
        adapters.on_base(open_checkpoint(FILES / "catseg.pth"))
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP"):
        adapters.on_base(adapters.only("head"))


def test_base_is_refused_for_a_model_with_clip(model: Checkpoint) -> None:
    with pytest.raises(UserError, match=r"hclip.pth has a CLIP of its own; leave --base out"):
        model.on_base(model)


def test_clip_alone_cannot_segment() -> None:
    with pytest.raises(UserError, match=r"openai.pt holds CLIP alone, which cannot segment; train a head"):
        clip_alone().require_spec()


def test_fingerprint_does_not_depend_on_the_dtype(tmp_path: Path) -> None:
    half = clip_alone()
    save_model(tmp_path / "float32", merge_adapters(half, np.dtype(np.float32), keep_precision=False))
    copy = load_model(tmp_path / "float32")
    assert {str(param.dtype) for param in copy.params.values()} == {"float32"}
    assert copy.fingerprint() == half.fingerprint()


@pytest.mark.parametrize("path", ["clip/logit_scale", "clip/text/norm_final/bias", "clip/image/projection"])
def test_fingerprint_depends_on_every_value(path: str) -> None:
    model = clip_alone()
    value = np.array(model.params[path])
    value.reshape(-1)[-1] = np.nextafter(value.reshape(-1)[-1], value.dtype.type(9))
    other = dataclasses.replace(model, params={**model.params, path: LazyArray.of(value)})
    assert other.fingerprint() != model.fingerprint()
