"""The compiled kernels: whether there are any, and their registration with XLA.

`setup.py` builds them from kernels.cc at installation where it finds a compiler. Without them, or on a CPU
that has neither AVX-512 nor AVX2, the plain forms run.
"""

import ctypes
import functools
import hashlib
import warnings
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import jax

FOLDER = Path(__file__).parent
KERNELS = ("swin_block", "swin_block_gradient", "class_aggregation", "decoder", "decoder_gradient")
TARGETS = tuple(f"hclip_jax_{name}" for name in KERNELS)


@functools.cache
def lanes() -> int:
    """Floats in the vectors that the kernels use on this CPU; 0 = there are no kernels for it.

    The first call registers them. Kernels of other sources than those beside this file are not used, with a
    warning: a checkout was changed after its installation.
    """
    stale = None
    for suffix in EXTENSION_SUFFIXES:  # this Python's first: it is built with the headers of its jaxlib
        path = FOLDER / f"_kernels{suffix}"
        if not path.exists():
            continue
        try:
            library = ctypes.CDLL(str(path))
            library.hclip_jax_sources.restype = ctypes.c_char_p
            if library.hclip_jax_sources().decode() != digest():
                stale = path
                continue
            found = int(library.hclip_jax_lanes())
            if found:
                for target in TARGETS:
                    handler = jax.ffi.pycapsule(getattr(library, target))
                    jax.ffi.register_ffi_target(name_in_programs(target), handler, platform="cpu")
            return found
        except Exception:  # built for another system, by an earlier version, or for an XLA that does not fit
            continue
    if stale:
        warnings.warn(
            f"{stale} is of other sources than those beside it and is not used, so programs for a CPU are "
            "slower; install the package again",
            stacklevel=2,
        )
    return 0


@functools.cache
def digest() -> str:
    """The digest of the C++ sources, the same as in setup.py."""
    paths = sorted(path for pattern in ("*.cc", "*.h", "*.inc") for path in FOLDER.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def description() -> str:
    """The kernels of this installation in a few words, such as "native kernels for AVX-512"."""
    return {16: "native kernels for AVX-512", 8: "native kernels for AVX2"}.get(lanes(), "no native kernels")


def name_in_programs(target: str) -> str:
    """The name under which programs call a kernel: stored programs are of the same sources."""
    return f"{target}_{digest()}"
