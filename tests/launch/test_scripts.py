"""All scripts of launch/: syntax, the README's list, the packages they install."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from hclip_jax import joining, processes, watch
from tests.launch.stubs import LAUNCH, ROOT

SCRIPTS = sorted([*LAUNCH.glob("*.sh"), *LAUNCH.glob("*.sbatch")])
README = (LAUNCH / "README.md").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_bash_reads_the_script(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here")
def test_shellcheck_has_no_complaints() -> None:
    command = ["shellcheck", "--shell=bash", "--exclude=SC1091", *map(str, SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_readme_names_every_file() -> None:
    files = [path.relative_to(LAUNCH) for path in LAUNCH.rglob("*") if path.is_file()]
    called = {
        Path(name) for name in ("README.md", "environment.sh", "tpu_worker.sh", "Dockerfile.dockerignore")
    }
    assert [str(path) for path in files if path not in called and str(path) not in README] == []


def test_the_readme_names_every_status_and_variable_of_processes() -> None:
    section = README.partition("## Exit statuses")[2].partition("##")[0]
    statuses = {int(status) for status in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    assert statuses == {0, 1, 2, 130, processes.DIED, 137, 143}
    source = "".join(Path(module.__file__).read_text() for module in (processes, joining, watch))
    for name in set(re.findall(r"HCLIP_JAX_[A-Z_]+|JAX_[A-Z_]+(?=\")", source)) - {"JAX_PLATFORMS"}:
        assert name in README


def test_extras_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = "".join(path.read_text() for path in SCRIPTS)
    used = {extra for group in re.findall(r"code\[([\w,]+)\]", text) for extra in group.split(",")}
    assert used == {"tpu", "gcs"}
    docker = (LAUNCH / "Dockerfile").read_text()
    for extra in ("cuda", "tpu", "gcs"):
        (package,) = extras[extra]
        assert package in docker
    assert used <= set(extras)
