"""The package without its kernels, or with those of something else."""

from pathlib import Path

import jax.numpy as jnp
import pytest

from hclip_jax.ops import backend
from hclip_jax.ops.native import call, library

lanes_of_a_new_process = library.lanes.__wrapped__  # not the cached result of this one


def test_without_a_library_the_plain_forms_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    assert lanes_of_a_new_process() == 0
    monkeypatch.setattr(library, "lanes", lanes_of_a_new_process)
    with backend.forward_only(True):
        assert not call.usable(jnp.float32, 32)


def test_a_library_of_another_system_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    (tmp_path / "_kernels.so").write_bytes(b"MZ of another system")
    assert lanes_of_a_new_process() == 0


def test_a_library_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "VERSION", library.VERSION + 1)
    assert lanes_of_a_new_process() == 0
