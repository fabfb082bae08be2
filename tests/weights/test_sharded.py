"""Weights in several files with an index."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from hclip_jax.errors import UserError
from hclip_jax.load import open_model
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.writer import write_torch
from hclip_jax.weights.weight_file import open_weights
from tests.weights.sample_files import FILES
from tests.weights.sample_models import values

SHARDS = {
    "model.safetensors": ("model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"),
    "pytorch_model.bin": ("pytorch_model-00001-of-00003.bin", "pytorch_model-00003-of-00003.bin"),
}
TENSORS = {name: np.asarray(tensor) for name, tensor in open_weights(FILES / "huggingface").tensors.items()}


def write_shard(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    if path.suffix == ".bin":
        write_torch(path, {name: LazyArray.of(array) for name, array in tensors.items()})
    else:
        save_file(dict(tensors), path, {"format": "pt"})


def split(folder: Path, kind: str) -> Path:
    """Writes Hugging Face's sample as two files, every other tensor in the second; returns the index."""
    folder.mkdir()
    weight_map = {name: SHARDS[kind][i % 2] for i, name in enumerate(sorted(TENSORS))}
    for shard in SHARDS[kind]:
        write_shard(folder / shard, {name: TENSORS[name] for name, s in weight_map.items() if s == shard})
    (folder / "config.json").write_bytes((FILES / "huggingface/config.json").read_bytes())
    index = folder / f"{kind}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return index


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return split(tmp_path / "clip", "model.safetensors")


@pytest.mark.parametrize("kind", SHARDS)
def test_a_folder_and_its_index_give_all_weights(kind: str, tmp_path: Path) -> None:
    index = split(tmp_path / "clip", kind)
    expected = open_model(FILES / "huggingface")
    for path in (index, index.parent):
        result = open_model(path)
        assert (result.clip, result.parts) == (expected.clip, expected.parts)
        assert result.source == f"Hugging Face's CLIP, {kind}.index.json"
        assert values(result) == values(expected)


def test_tensors_that_the_index_does_not_list_are_ignored(index: Path) -> None:
    tree = json.loads(index.read_text())
    name = sorted(TENSORS)[0]
    del tree["weight_map"][name]
    index.write_text(json.dumps(tree))
    assert open_weights(index).tensors.keys() == TENSORS.keys() - {name}


def refused(path: Path) -> str:
    """The message with which weights are refused."""
    with pytest.raises(UserError) as error:
        open_weights(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    return message


@pytest.mark.parametrize("kind", SHARDS)
def test_a_missing_file_is_named(kind: str, tmp_path: Path) -> None:
    index = split(tmp_path / "clip", kind)
    (index.parent / SHARDS[kind][1]).unlink()
    message = refused(index)
    assert f"needs {SHARDS[kind][1]}, which is not beside it; download that file too" in message


def test_a_truncated_file_is_named(index: Path) -> None:
    shard = index.parent / SHARDS["model.safetensors"][0]
    shard.write_bytes(shard.read_bytes()[:-1])
    assert "cannot be read as safetensors" in refused(shard)
    with pytest.raises(UserError, match=r"model-00001-of-00003\.safetensors cannot be read as safetensors"):
        open_weights(index)


def test_a_tensor_that_its_file_lacks_is_named(index: Path) -> None:
    shard, name = index.parent / SHARDS["model.safetensors"][0], sorted(TENSORS)[0]
    write_shard(shard, {other: TENSORS[other] for other in sorted(TENSORS)[2::2]})
    assert f"lists {name} in {shard.name}, which does not hold it" in refused(index)


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ("", "is empty; copy or download it again"),
        ("[1]", "weight_map must map tensors to files"),
        ("{}", "weight_map must map tensors to files"),
        ("[" * 100_000, "cannot be read as JSON (nested too deeply)"),
        ({"weight_map": ["a"]}, "weight_map must map tensors to files"),
        ({"weight_map": {}}, "holds no tensors"),
        ({"weight_map": {"a": 3}}, "the file of a is 3, which is not a file name"),
        ({"weight_map": {"a": ""}}, "the file of a is '', which is not a file name"),
        ({"weight_map": {"a": ".."}}, "is '..', which is not a file name"),
        ({"weight_map": {"a": "../model.safetensors"}}, "which is not a file name"),
        ({"weight_map": {"a": "C:\\model.safetensors"}}, "which is not a file name"),
        ({"weight_map": {"a\nb": "x\ny"}}, "the file of a\\nb is 'x\\ny', which is not a file name"),
    ],
)
def test_a_wrong_index_is_refused(content: Any, fragment: str, index: Path) -> None:
    index.write_text(content if isinstance(content, str) else json.dumps(content))
    assert fragment in refused(index)
