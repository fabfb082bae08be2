"""Model directories: what is saved comes back, and nothing is overwritten."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.export import merged
from hclip_jax.weights.model_directory import is_model_directory, load_model, save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from hclip_jax.weights.torch_zip.reader import read_torch, tensors_by_name
from tests.weights.sample_files import FILES
from tests.weights.small_models import adapters, clip_alone, values


@pytest.mark.parametrize("part", ["segmenter", "clip", "adapters", "merged"])
def test_round_trip(part: str, model: Checkpoint, tmp_path: Path) -> None:
    whole = {
        "segmenter": model,
        "clip": clip_alone(),
        "adapters": adapters(model),
        "merged": merged(model, np.dtype(np.float16), keep_precision=False),
    }[part]
    save_model(tmp_path / "model", whole)
    assert is_model_directory(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.json", "model", "model.safetensors"]
    loaded = load_model(tmp_path / "model")
    assert values(loaded) == values(whole)
    assert (loaded.clip, loaded.spec) == (whole.clip, whole.spec)
    assert (loaded.parts, loaded.source) == (whole.parts, whole.source)
    assert loaded.fingerprint() == whole.fingerprint()


def test_dtypes_are_those_of_the_file() -> None:
    kinds = {str(leaf.dtype) for leaf in clip_alone().params.values()}
    assert kinds == {"float16", "float32"}
    assert clip_alone().params["clip/image/blocks/attention/query/kernel"].dtype == np.float16
    assert clip_alone().params["clip/image/norm_pre/scale"].dtype == np.float32


@pytest.mark.parametrize("there", ["file", "folder", "model"])
def test_what_is_there_is_not_overwritten(there: str, model: Checkpoint, tmp_path: Path) -> None:
    target = tmp_path / "target"
    match there:
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


def test_an_empty_folder_is_filled(model: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    save_model(tmp_path / "target", model)
    assert values(load_model(tmp_path / "target")) == values(model)


@pytest.mark.parametrize("error", [UserError("the file is broken"), OSError(28, "No space left on device")])
def test_nothing_is_left_when_writing_fails(error: Exception, model: Checkpoint, tmp_path: Path) -> None:
    def fail() -> np.ndarray:
        raise error

    last = dataclasses.replace(model.params["head/upsample2/bias"], load=fail)
    broken = dataclasses.replace(model, params={**model.params, "head/upsample2/bias": last})
    with pytest.raises(UserError, match=r"the file is broken|cannot be written"):
        save_model(tmp_path / "target", broken)
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be(model: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="target cannot be written"):
        save_model(tmp_path / "taken" / "target", model)


def test_names_of_one_tensor_are_one_leaf() -> None:
    """The fixture's adapters have 8 names each (4 blocks of 2 towers), and are stored once."""
    content = read_torch(FILES / "hclip.pth").content["model"]
    names = [name for name in tensors_by_name(content) if name.endswith("attn_q_proj_oft_layer_R")]
    assert len(names) == 4
    leaves = open_checkpoint(FILES / "hclip.pth").only("adapters").params
    assert sorted(leaves) == ["adapters/layer", "adapters/modality", "adapters/text", "adapters/vision"]
