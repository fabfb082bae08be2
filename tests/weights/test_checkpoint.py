"""Which CLIP a model's adapters belong to."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import StoredModel
from hclip_jax.weights.export import merged
from hclip_jax.weights.lazy_array import Stored
from hclip_jax.weights.model_directory import load_model, save_model
from hclip_jax.weights.open_checkpoint import open_foreign
from tests.weights.sample_files import FILES
from tests.weights.small_models import adapters, clip_alone, values


def test_adapters_and_their_clip_are_the_whole(model: StoredModel, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", adapters(model))
    save_model(tmp_path / "clip", dataclasses.replace(model.only("clip"), segmenting=None))
    alone = load_model(tmp_path / "adapters")
    assert alone.parts == ("adapters", "head")
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP; .* as --base"):
        alone.need_segmenting()
    whole = alone.on_base(load_model(tmp_path / "clip"))
    assert values(whole) == values(model)
    assert whole.need_segmenting() == model.segmenting


def test_another_clip_is_refused_as_base(model: StoredModel, tmp_path: Path) -> None:
    save_model(tmp_path / "adapters", adapters(model))
    alone = load_model(tmp_path / "adapters")
    with pytest.raises(UserError, match=r"catseg.pth is not the CLIP that .*adapters was trained on"):
        alone.on_base(open_foreign(FILES / "catseg.pth"))
    with pytest.raises(UserError, match=r"adapters holds adapters without CLIP"):
        alone.on_base(alone.only("head"))


def test_a_base_is_refused_where_clip_is_inside(model: StoredModel) -> None:
    with pytest.raises(UserError, match=r"hclip.pth has a CLIP of its own; leave --base out"):
        model.on_base(model)


def test_clip_alone_cannot_segment() -> None:
    with pytest.raises(UserError, match=r"openai.pt holds CLIP alone, which cannot segment; train a head"):
        clip_alone().need_segmenting()


def test_the_fingerprint_is_of_values_not_of_files(tmp_path: Path) -> None:
    half = clip_alone()
    save_model(tmp_path / "float32", merged(half, np.dtype(np.float32), keep_precision=False))
    copy = load_model(tmp_path / "float32")
    assert {str(leaf.dtype) for leaf in copy.leaves.values()} == {"float32"}
    assert copy.fingerprint() == half.fingerprint()


@pytest.mark.parametrize("path", ["clip/logit_scale", "clip/text/norm_final/bias", "clip/image/projection"])
def test_the_fingerprint_tells_any_two_models_apart(path: str) -> None:
    model = clip_alone()
    value = np.array(model.leaves[path])
    value.reshape(-1)[-1] = np.nextafter(value.reshape(-1)[-1], value.dtype.type(9))
    other = dataclasses.replace(model, leaves={**model.leaves, path: Stored.of(value)})
    assert other.fingerprint() != model.fingerprint()
