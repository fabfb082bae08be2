"""launch/environment.sh installs the package once, and again where something it depends on changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launch.stubs import LAUNCH, ROOT, Stubs

_FILES = ("requirements.txt", "pyproject.toml", "setup.py", "hclip_jax/version.py")


class Checkout:
    """A checkout whose installations are recorded instead of done."""

    def __init__(self, folder: Path) -> None:
        """Copies what environment.sh reads."""
        self.root, venv = folder / "checkout", folder / "venv"
        native = "hclip_jax/ops/native"
        shutil.copytree(ROOT / native, self.root / native, ignore=shutil.ignore_patterns("*.so", "*.py"))
        for name in _FILES:
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "launch").mkdir()
        shutil.copy(LAUNCH / "environment.sh", self.root / "launch")
        venv.mkdir()
        self.stubs = Stubs(folder / "stubs")
        # An installation takes a moment, and fails where another is at work.
        install = f'mkdir "{folder}/busy" && sleep 0.3 && rmdir "{folder}/busy" && echo "$*" >>"$STUB_CALLS"'
        self.stubs.add(
            "python", f'[ "$1" != -m ] || {{ {install}; exit; }}\nexec "{sys.executable}" "$@"', records=False
        )
        self.stubs.add("hclip", "true", records=False)
        self.environment = {**self.stubs.environment, "VIRTUAL_ENV": str(venv)}

    def start(self, **variables: str) -> subprocess.Popen[str]:
        """Starts a script that sources environment.sh."""
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", "EXTRAS=${EXTRAS:-}; source launch/environment.sh"],
            cwd=self.root,
            env={**self.environment, **variables},
            stderr=subprocess.PIPE,
            text=True,
        )

    def installs(self, **variables: str) -> bool:
        """Whether a script installs the package."""
        before = len(self.stubs.called())
        process = self.start(**variables)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
        return len(self.stubs.called()) > before


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize(
    "name", [*_FILES, "hclip_jax/ops/native/kernels.cc", "hclip_jax/ops/native/swin.inc"]
)
def test_once_and_after_each_change(checkout: Checkout, name: str) -> None:
    assert checkout.installs()
    assert not checkout.installs()
    with (checkout.root / name).open("a") as file:
        file.write("\n")
    assert checkout.installs()
    assert not checkout.installs()


def test_for_other_extras_and_another_compiler(checkout: Checkout) -> None:
    assert checkout.installs()
    assert checkout.installs(EXTRAS="[dev]")
    assert not checkout.installs(EXTRAS="[dev]")
    assert not checkout.installs()
    assert checkout.installs(CXX="clang++")


def test_for_another_folder(checkout: Checkout) -> None:
    assert checkout.installs()
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    assert checkout.installs()


def test_again_after_a_failure(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "busy").mkdir()
    process = checkout.start()
    process.communicate(timeout=60)
    assert process.returncode != 0
    (tmp_path / "busy").rmdir()
    assert checkout.installs()


@pytest.mark.skipif(shutil.which("flock") is None, reason="no flock here")
def test_several_at_once_install_once(checkout: Checkout) -> None:
    processes = [checkout.start() for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    assert len(checkout.stubs.called()) == 1
