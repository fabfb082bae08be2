"""Builds the native kernels of hclip_jax/ops/native where it can; all else is in pyproject.toml.

They need Linux on x86, GCC and the headers in jaxlib. Where something is missing, the package is installed
without them and computes the same, more slowly.
"""

import platform
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup

FOLDER = Path("hclip_jax/ops/native")
CAN_BUILD = sys.platform == "linux" and platform.machine() == "x86_64" and shutil.which("g++") is not None


def jaxlib_requirements() -> list[str]:
    """The jaxlib of requirements.txt: the kernels are for the versions with which they run."""
    lines = Path("requirements.txt").read_text().splitlines()
    return [re.sub("^jax(?=[><=])", "jaxlib", line) for line in lines if re.match("jax[><=]", line)]


def kernels() -> Extension:
    """The kernels; as `optional`, a compiler that fails at them has only a warning."""
    spec = find_spec("jaxlib")
    headers = [str(Path(spec.origin).parent / "include")] if spec and spec.origin else []
    return Extension(
        "hclip_jax.ops.native._kernels",
        sources=[str(FOLDER / "kernels.cc")],
        depends=[str(path) for pattern in ("*.h", "*.inc") for path in sorted(FOLDER.glob(pattern))],
        include_dirs=headers,
        extra_compile_args=["-std=gnu++17", "-O3", "-g0"],
        language="c++",
        optional=True,
    )


setup(
    ext_modules=[kernels()] if CAN_BUILD else [],
    setup_requires=jaxlib_requirements() if CAN_BUILD else [],
)
