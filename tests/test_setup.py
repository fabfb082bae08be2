"""setup.py: where the native kernels cannot be built, the package is installed without them and says why."""

import os
import platform
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

setuptools = pytest.importorskip("setuptools")
build_ext = pytest.importorskip("setuptools.command.build_ext").build_ext
SETUP = Path(__file__).parents[1] / "setup.py"
SENTENCE = "hclip_jax computes the same more slowly on a CPU: "


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("CXX", sys.executable)  # any program that is there
    monkeypatch.chdir(SETUP.parent)


def run_setup(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that setup.py gives to setuptools."""
    arguments: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", arguments.update)
    runpy.run_path(str(SETUP))
    return arguments


def test_the_kernels_are_built(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    (kernels,) = run_setup(monkeypatch)["ext_modules"]
    assert "hclip_jax/ops/native/swin.inc" in kernels.depends
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "CXX",
            "no-such-compiler",
            "there is no C++ compiler no-such-compiler; install one, or give CXX and CC",
        ),
        ("CXX", " ", "CXX is ' ', which is no command; give one such as g++"),
        ("CXX", 'g++ "', "which is no command; give one such as g++"),
        ("machine", "aarch64", "they are for x86 and Linux, not for aarch64 and linux"),
    ],
)
def test_without_a_compiler_or_on_another_machine_there_are_none(
    name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    if name == "CXX":
        monkeypatch.setenv(name, value)
    else:
        monkeypatch.setattr(platform, name, lambda: value)
    arguments = run_setup(monkeypatch)
    assert arguments["ext_modules"] == arguments["setup_requires"] == []
    message = capsys.readouterr().err
    assert SENTENCE in message
    assert reason in message


def test_a_compiler_that_fails_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("exit status 1")

    arguments = run_setup(monkeypatch)
    monkeypatch.setattr(build_ext, "build_extension", fail)
    (kernels,) = arguments["ext_modules"]
    arguments["cmdclass"]["build_ext"](setuptools.Distribution()).build_extension(kernels)
    assert kernels.optional
    assert SENTENCE + "they could not be compiled (exit status 1)" in capsys.readouterr().err


def test_a_source_tree_that_cannot_be_written_is_built_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_setup(monkeypatch)["options"] == {}
    monkeypatch.setattr(os, "access", lambda *_: False)
    options = run_setup(monkeypatch)["options"]
    folder = Path(options["build"]["build_base"])
    assert folder.is_dir()
    assert options["egg_info"]["egg_base"] == str(folder)
    assert SETUP.parent not in folder.parents
