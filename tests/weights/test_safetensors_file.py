"""Safetensors files that are refused; tests/weights/test_mutated.py has more."""

from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights import safetensors_file
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.safetensors_file import read_safetensors, write_safetensors

ONE = LazyArray.of(np.zeros(1, np.float32))


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_safetensors(path)
    message = str(error.value)
    assert message.count(str(path)) == 1
    assert message.isprintable()
    assert len(message) < 300 + len(str(path))
    return message


def test_a_name_that_cannot_be_printed(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x", {"a\n" * 1000: ONE}, {})
    assert "is not printable; rename that tensor" in refused(tmp_path / "x")


def test_a_dtype_that_is_not_supported(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "x", {"a" * 1000: LazyArray.of(np.zeros(1, np.uint8))}, {})
    data = (tmp_path / "x").read_bytes()
    length = int.from_bytes(data[:8], "little") + len("F8_E5M2") - len("U8")
    changed = data[8:].replace(b'"U8"', b'"F8_E5M2"')
    (tmp_path / "x").write_bytes(length.to_bytes(8, "little") + changed)
    assert "is F8_E5M2; a tensor must be BF16, F16" in refused(tmp_path / "x")


def test_too_many_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert safetensors_file._MAX_TENSORS >= 100_000
    monkeypatch.setattr(safetensors_file, "_MAX_TENSORS", 2)
    write_safetensors(tmp_path / "x", {"a": ONE, "b": ONE}, {})
    assert sorted(read_safetensors(tmp_path / "x")) == ["a", "b"]
    write_safetensors(tmp_path / "x", {"a": ONE, "b": ONE, "c": ONE}, {})
    assert "has 3 tensors, more than any weights" in refused(tmp_path / "x")
