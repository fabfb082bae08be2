"""The wheel in an environment with nothing but its requirements."""

import os
import shutil
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.tools.cli import COMMANDS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and, from the package index, its requirements."""
    folder = tmp_path_factory.mktemp("wheel")
    venv.create(folder / "venv", with_pip=True)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = folder / "source"  # a build leaves files in it
    for name in ("hclip_jax", "configs"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "setup.py", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for command in (["wheel", "--no-deps", "--wheel-dir", str(folder), str(source)], ["install"]):
        wheels = map(str, folder.glob("*.whl"))
        result = subprocess.run([*pip, *command, *wheels], env=clean(), capture_output=True, text=True)
        if result.returncode and "No matching distribution" in result.stderr:
            pytest.skip("the package index cannot be reached")
        assert result.returncode == 0, result.stderr
    return folder


def clean() -> dict[str, str]:
    """This environment without what leads to the repository."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def run(environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the installed `hclip` far from the repository."""
    return subprocess.run(
        [str(environment / "venv/bin/hclip"), *arguments],
        cwd=environment,
        env={**clean(), "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_everything_that_needs_no_extra(environment: Path) -> None:
    for name in COMMANDS:
        result = run(environment, name, "--help")
        assert (result.returncode, result.stderr) == (0, ""), name
        assert result.stdout.startswith("usage") or "hclip" in result.stdout
    steps = ("num_train_steps=2", "warmup_steps=0", "evaluate_first=false", "evaluate_every=2")
    fields = [f"--config.train.{step}" for step in steps]
    fields += [f"--config.evaluation.sets.{name}=None" for name in ("open", "synonyms")]
    result = run(environment, "train", "--config=tiny", "--workdir=run", *fields)
    assert result.returncode == 0, result.stderr
    Image.fromarray(np.full((40, 56, 3), 90, np.uint8)).save(environment / "a.png")
    result = run(environment, "segment", "a.png", "--model=run", "--classes=sky,cat", "--fast")
    assert (result.returncode, result.stdout) == (0, "1 of 1 images are segmented, in segmentation/\n")
    result = run(environment, "merge", "run", "clip.pt", "--format=openai")
    assert result.returncode == 0, result.stderr
    assert "right: the merged features equal those of run with its adapters" in result.stdout


@pytest.mark.slow
def test_a_missing_extra_is_one_sentence(environment: Path) -> None:
    (environment / "clip.mp4").write_bytes(b"a video")
    for arguments, extra in (
        (("segment", "clip.mp4", "--model=run"), "video"),
        (("train", "--config=tiny", "--workdir=gs://bucket/run"), "gcs"),
        (("compile", "--config=tiny", "--topology=v5e-8"), "compile"),
    ):
        result = run(environment, *arguments)
        assert result.returncode == 2, result.stderr
        assert f"pip install 'hclip_jax[{extra}]'" in result.stderr
        assert result.stderr.count("\n") == 1
