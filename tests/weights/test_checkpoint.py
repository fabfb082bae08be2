"""Which CLIP a model's adapters belong to."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.export import merged
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import load_model, save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES
from tests.weights.small_models import adapters, clip_alone, values


def test_adapters_and_their_clip_are_the_whole(model: Checkpoint, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", adapters(model))
    save_model(tmp_path / "clip", dataclasses.replace(model.only("clip"), spec=None))
    alone = load_model(tmp_path / "adapters")
    assert alone.parts == ("adapters", "head")
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP; .* as --base"):
        alone.require_spec()
    whole = alone.on_base(load_model(tmp_path / "clip"))
    assert values(whole) == values(model)
    assert whole.require_spec() == model.spec


def test_another_clip_is_refused_as_base(model: Checkpoint, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", adapters(model))
    alone = load_model(tmp_path / "adapters")
    with pytest.raises(UserError, match=r"catseg.pth is not the CLIP that .*adapters was trained on"):
        alone.on_base(open_checkpoint(FILES / "catseg.pth"))
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP"):
        alone.on_base(alone.only("head"))


def test_a_base_is_refused_where_clip_is_inside(model: Checkpoint) -> None:
    with pytest.raises(UserError, match=r"hclip.pth has a CLIP of its own; leave --base out"):
        model.on_base(model)


def test_clip_alone_cannot_segment() -> None:
    with pytest.raises(UserError, match=r"openai.pt holds CLIP alone, which cannot segment; train a head"):
        clip_alone().require_spec()


def test_the_fingerprint_is_of_values_not_of_files(tmp_path: Path) -> None:
    half = clip_alone()
    save_model(tmp_path / "float32", merged(half, np.dtype(np.float32), keep_precision=False))
    copy = load_model(tmp_path / "float32")
    assert {str(leaf.dtype) for leaf in copy.params.values()} == {"float32"}
    assert copy.fingerprint() == half.fingerprint()


@pytest.mark.parametrize("path", ["clip/logit_scale", "clip/text/norm_final/bias", "clip/image/projection"])
def test_the_fingerprint_tells_any_two_models_apart(path: str) -> None:
    model = clip_alone()
    value = np.array(model.params[path])
    value.reshape(-1)[-1] = np.nextafter(value.reshape(-1)[-1], value.dtype.type(9))
    other = dataclasses.replace(model, params={**model.params, path: LazyArray.of(value)})
    assert other.fingerprint() != model.fingerprint()
