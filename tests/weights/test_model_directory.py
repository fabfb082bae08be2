"""Model directories: saving, loading, and no overwriting."""

import dataclasses
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.export import merge_adapters
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import is_model_directory, load_model, save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from hclip_jax.weights.torch_zip.reader import read_torch, tensors_by_name
from tests.weights.sample_files import FILES
from tests.weights.sample_models import clip_alone, values, without_clip


@pytest.mark.parametrize("part", ["segmenter", "clip", "adapters", "merged"])
def test_round_trip(part: str, model: Checkpoint, tmp_path: Path) -> None:
    saved = {
        "segmenter": model,
        "clip": clip_alone(),
        "adapters": without_clip(model),
        "merged": merge_adapters(model, np.dtype(np.float16), keep_precision=False),
    }[part]
    save_model(tmp_path / "model", saved)
    assert is_model_directory(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.json", "model", "model.safetensors"]
    loaded = load_model(tmp_path / "model")
    assert values(loaded) == values(saved)
    assert (loaded.clip, loaded.spec) == (saved.clip, saved.spec)
    assert (loaded.parts, loaded.source) == (saved.parts, saved.source)
    assert loaded.fingerprint() == saved.fingerprint()


def test_dtypes_are_those_of_the_file() -> None:
    dtypes = {str(param.dtype) for param in clip_alone().params.values()}
    assert dtypes == {"float16", "float32"}
    assert clip_alone().params["clip/image/blocks/attention/query/kernel"].dtype == np.float16
    assert clip_alone().params["clip/image/norm_pre/scale"].dtype == np.float32


@pytest.mark.parametrize("existing", ["file", "folder", "model"])
def test_nothing_is_overwritten(existing: str, model: Checkpoint, tmp_path: Path) -> None:
    target = tmp_path / "target"
    match existing:
        case "file":
            target.write_text("mine")
        case "folder":
            target.mkdir()
            (target / "notes.txt").write_text("mine")
        case "model":
            save_model(target, model)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="target exists already; give another target, or remove it first"):
        save_model(target, model)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_empty_folder_is_a_valid_target(model: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    save_model(tmp_path / "target", model)
    assert values(load_model(tmp_path / "target")) == values(model)


@pytest.mark.parametrize("error", [UserError("the file is broken"), OSError(28, "No space left on device")])
def test_nothing_remains_when_writing_fails(error: Exception, model: Checkpoint, tmp_path: Path) -> None:
    def fail() -> np.ndarray:
        raise error

    bias = dataclasses.replace(model.params["head/upsample2/bias"], load=fail)
    broken = dataclasses.replace(model, params={**model.params, "head/upsample2/bias": bias})
    with pytest.raises(UserError, match=r"the file is broken|cannot be written"):
        save_model(tmp_path / "target", broken)
    assert not list(tmp_path.iterdir())


def test_a_target_below_a_file_is_refused(model: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="target cannot be written"):
        save_model(tmp_path / "file" / "target", model)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        *((np.nan, dtype) for dtype in (np.float16, np.float32, ml_dtypes.bfloat16)),
        *((value, np.float64) for value in (np.inf, 1e300)),
    ],
)
def test_values_that_are_not_finite_are_refused_when_loaded(
    value: float, dtype: Any, model: Checkpoint, tmp_path: Path
) -> None:
    name = "head/upsample2/bias"
    wrong = np.zeros(model.params[name].shape, dtype)
    wrong.flat[-1] = value
    save_model(tmp_path / "x", dataclasses.replace(model, params={**model.params, name: LazyArray.of(wrong)}))
    opened = load_model(tmp_path / "x")
    opened.only("clip", "adapters").load_params()
    with pytest.raises(
        UserError, match=r"x/model.safetensors: head/upsample2/bias holds values that are not"
    ):
        opened.load_params()


def test_shared_tensors_are_one_parameter() -> None:
    """Each adapter tensor of the file has 4 names (2 blocks of 2 towers)."""
    content = read_torch(FILES / "hclip.pth").content["model"]
    names = [name for name in tensors_by_name(content) if name.endswith("attn_q_proj_oft_layer_R")]
    assert len(names) == 4
    params = open_checkpoint(FILES / "hclip.pth").only("adapters").params
    assert sorted(params) == ["adapters/layer", "adapters/modality", "adapters/text", "adapters/vision"]
