"""The package without its kernels, or with those of something else."""

import runpy
from pathlib import Path

import jax.numpy as jnp
import pytest

from hclip_jax.ops import backend
from hclip_jax.ops.native import call, library
from tests.ops.native.modules import needs_kernels

ROOT = Path(__file__).parents[3]

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


@needs_kernels
def test_a_library_of_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a checkout whose C++ files changed after the installation, or when a compiler failed since."""
    monkeypatch.setattr(library, "digest", lambda: "0123456789abcdef")
    with pytest.warns(UserWarning, match=r"_kernels\..* is of other sources .* install the package again"):
        assert lanes_of_a_new_process() == 0


def test_setup_gives_the_kernels_the_same_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    setuptools = pytest.importorskip("setuptools")
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    monkeypatch.chdir(ROOT)
    assert runpy.run_path("setup.py")["digest"]() == library.digest()


@pytest.mark.parametrize(
    ("lanes", "words"),
    [(16, "native kernels for AVX-512"), (8, "native kernels for AVX2"), (0, "no native kernels")],
)
def test_the_kernels_are_described(lanes: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "lanes", lambda: lanes)
    assert library.description() == words
