"""Weights in several files and an index are the same weights."""

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

SHARDS = {
    "model.safetensors": ("model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"),
    "pytorch_model.bin": ("pytorch_model-00001-of-00003.bin", "pytorch_model-00003-of-00003.bin"),
}
WHOLE = {name: np.asarray(tensor) for name, tensor in open_weights(FILES / "huggingface").tensors.items()}


def write_shard(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    if path.suffix == ".bin":
        write_torch(path, {name: LazyArray.of(array) for name, array in tensors.items()})
    else:
        save_file(dict(tensors), path, {"format": "pt"})


def split(folder: Path, kind: str) -> Path:
    """Hugging Face's sample in two files of three, every other tensor in the second; returns the index."""
    folder.mkdir()
    places = {name: SHARDS[kind][i % 2] for i, name in enumerate(sorted(WHOLE))}
    for shard in SHARDS[kind]:
        write_shard(folder / shard, {name: WHOLE[name] for name, place in places.items() if place == shard})
    (folder / "config.json").write_bytes((FILES / "huggingface/config.json").read_bytes())
    index = folder / f"{kind}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return split(tmp_path / "clip", "model.safetensors")


@pytest.mark.parametrize("kind", SHARDS)
def test_a_folder_and_its_index_are_the_whole(kind: str, tmp_path: Path) -> None:
    index = split(tmp_path / "clip", kind)
    want = open_model(FILES / "huggingface")
    for path in (index, index.parent):
        found = open_model(path)
        assert (found.clip, found.parts) == (want.clip, want.parts)
        assert found.source == f"Hugging Face's CLIP, {kind}.index.json"
        assert found.params.keys() == want.params.keys()
        for name, leaf in found.params.items():
            assert leaf.dtype == want.params[name].dtype
            np.testing.assert_array_equal(np.asarray(leaf), np.asarray(want.params[name]))


def test_what_the_index_does_not_list_is_not_read(index: Path) -> None:
    tree = json.loads(index.read_text())
    gone = sorted(WHOLE)[0]
    del tree["weight_map"][gone]
    index.write_text(json.dumps(tree))
    assert open_weights(index).tensors.keys() == WHOLE.keys() - {gone}


def refused(path: Path) -> str:
    """The one sentence with which weights must be refused."""
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


def test_a_torn_file_is_named(index: Path) -> None:
    shard = index.parent / SHARDS["model.safetensors"][0]
    shard.write_bytes(shard.read_bytes()[:-1])
    assert "cannot be read as safetensors" in refused(shard)
    with pytest.raises(UserError, match=r"model-00001-of-00003\.safetensors cannot be read as safetensors"):
        open_weights(index)


def test_a_tensor_that_is_not_where_the_index_says(index: Path) -> None:
    shard, name = index.parent / SHARDS["model.safetensors"][0], sorted(WHOLE)[0]
    write_shard(shard, {other: WHOLE[other] for other in sorted(WHOLE)[2::2]})
    assert f"says that {shard} holds {name}, which it does not" in refused(index)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "cannot be read as an index of weights"),
        ("[1]", "cannot be read as an index of weights"),
        ("{}", "cannot be read as an index of weights"),
        ("[" * 100_000, "cannot be read as an index of weights"),
        ({"weight_map": ["a"]}, "weight_map is no table of tensors and files"),
        ({"weight_map": {}}, "holds no tensors"),
        ({"weight_map": {"a": 3}}, "a lies in 3, which is no file name"),
        ({"weight_map": {"a": ""}}, "a lies in '', which is no file name"),
        ({"weight_map": {"a": ".."}}, "needs .., which is not beside it"),
        ({"weight_map": {"a": "../model.safetensors"}}, "which is no file name"),
        ({"weight_map": {"a": "C:\\model.safetensors"}}, "which is no file name"),
        ({"weight_map": {"a\nb": "x\ny"}}, "a\\nb lies in 'x\\ny', which is no file name"),
    ],
)
def test_an_index_that_is_not_right(content: Any, words: str, index: Path) -> None:
    index.write_text(content if isinstance(content, str) else json.dumps(content))
    assert words in refused(index)
