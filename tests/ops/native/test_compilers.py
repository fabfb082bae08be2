"""GCC and Clang compile the kernels, without a warning."""

import shutil
import subprocess
from pathlib import Path

import jaxlib
import pytest

from hclip_jax.ops.native import library

HEADERS = Path(jaxlib.__file__).parent / "include"
SECONDS = pytest.param(["-O3", "-fPIC", "-shared"], marks=pytest.mark.slow)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
@pytest.mark.parametrize("options", [["-fsyntax-only"], SECONDS])
def test_without_warnings(compiler: str, options: list[str], tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    command = [compiler, "-std=gnu++17", "-Wall", "-Wextra", "-isystem", str(HEADERS), *options]
    command += [str(library.FOLDER / "kernels.cc"), "-o", str(tmp_path / "kernels.so")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
