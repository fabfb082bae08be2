"""The files of a repository that a model needs."""

import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.hub.choose import choose_files

OTHERS = ("README.md", "flax_model.msgpack", "tokenizer.json", "run.py")


def test_weights_and_configuration_and_nothing_else() -> None:
    present = {*OTHERS, "pytorch_model.bin", "model.safetensors", "config.json", "sub/model.safetensors"}
    assert choose_files("", present, "x") == ("model.safetensors", "config.json")
    assert choose_files("", present - {"model.safetensors"}, "x") == ("pytorch_model.bin", "config.json")
    assert choose_files("pytorch_model.bin", present, "x") == ("pytorch_model.bin", "config.json")
    assert choose_files("sub", present, "x") == ("sub/model.safetensors",)
    assert choose_files("sub/model.safetensors", present, "x") == ("sub/model.safetensors",)


def test_all_files_of_an_index() -> None:
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    present = {*shards, "model.safetensors.index.json", "pytorch_model-00001-of-00002.bin", "config.json"}
    assert choose_files("", present, "x") == ("model.safetensors.index.json", *shards, "config.json")


def test_a_missing_file_is_named_with_those_that_are_there() -> None:
    with pytest.raises(UserError, match=r"^x has no 'b.pth'; it has a.pth$"):
        choose_files("b.pth", {"a.pth", *OTHERS}, "x")
    with pytest.raises(
        UserError, match=r"^x has none of model.safetensors, .*; add the file to .* has a.pth$"
    ):
        choose_files("", {"a.pth", *OTHERS}, "x")
    with pytest.raises(UserError, match=r"it has README.md, flax_model.msgpack, run.py, ... \(4 in all\)$"):
        choose_files("", set(OTHERS), "x")
    with pytest.raises(UserError, match=r"it has no files$"):
        choose_files("", set(), "x")
