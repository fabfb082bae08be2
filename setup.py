"""Builds the native kernels of hclip_jax/ops/native where it can; all else is in pyproject.toml.

They need Linux on x86, GCC or Clang (CC=clang CXX=clang++), and the headers in jaxlib. Where something is
missing, the package is installed without them and computes the same, more slowly; `pip install -v` says why.
"""

import atexit
import hashlib
import os
import platform
import re
import shlex
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = Path("hclip_jax/ops/native")
PLAIN_FORMS = (
    "no native kernels are built: without those of an earlier installation from the same sources, hclip_jax "
    "computes the same more slowly on a CPU"
)


def obstacle() -> str:
    """Why the kernels cannot be built here; empty if they can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"they are for x86 and Linux, not for {platform.machine()} and {sys.platform}"
    command = os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "g++"
    try:
        compiler = shlex.split(command)[0]
    except (ValueError, IndexError):
        return f"CXX is {command!r}, which is no command; give one such as g++"
    return (
        ""
        if shutil.which(compiler)
        else f"there is no C++ compiler {compiler}; install one, or give CXX and CC"
    )


def jaxlib_requirements() -> list[str]:
    """The jaxlib of requirements.txt: the kernels are for the versions with which they run."""
    lines = Path("requirements.txt").read_text().splitlines()
    return [re.sub("^jax(?=[><=])", "jaxlib", line) for line in lines if re.match("jax[><=]", line)]


def sources() -> list[Path]:
    """The files that the kernels are made of."""
    return sorted(path for pattern in ("*.cc", "*.h", "*.inc") for path in FOLDER.glob(pattern))


def digest() -> str:
    """The digest of the sources, by which library.py knows whether the kernels are of these."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()[:16]


def kernels() -> Extension:
    """The kernels, without warnings of XLA's headers."""
    spec = find_spec("jaxlib")
    headers = ["-isystem", str(Path(spec.origin).parent / "include")] if spec and spec.origin else []
    return Extension(
        "hclip_jax.ops.native._kernels",
        sources=[str(FOLDER / "kernels.cc")],
        depends=[str(path) for path in sources()],
        define_macros=[("HCLIP_JAX_SOURCES", f'"{digest()}"')],
        extra_compile_args=["-std=gnu++17", "-O3", "-g0", *headers],
        language="c++",
    )


class OptionalKernels(build_ext):
    """A compiler that fails leaves the package without kernels."""

    def build_extension(self, ext: Extension) -> None:
        """Builds the kernels, or says why they are not there."""
        try:
            super().build_extension(ext)
        except Exception as error:
            ext.optional = True  # so that nothing is copied from where it would be
            print(f"{PLAIN_FORMS}: they could not be compiled ({error})", file=sys.stderr)


def writable_folders() -> dict[str, dict[str, str]]:
    """Options for a source tree that cannot be written, whose build needs another folder."""
    if os.access(".", os.W_OK):
        return {}
    folder = mkdtemp(prefix="hclip_jax-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {"egg_info": {"egg_base": folder}, "build": {"build_base": folder}}


reason = obstacle()
if reason:
    print(f"{PLAIN_FORMS}: {reason}", file=sys.stderr)
setup(
    ext_modules=[] if reason else [kernels()],
    setup_requires=[] if reason else jaxlib_requirements(),
    cmdclass={"build_ext": OptionalKernels},
    options=writable_folders(),
)
