"""The compiled kernels: whether there are any, and their registration with XLA.

`setup.py` builds them from kernels.cc at installation where it finds a compiler. Without them, or on a CPU
that has neither AVX-512 nor AVX2, the plain forms run.
"""

import ctypes
import functools
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import jax

VERSION = 2
"""The kernels' version, a part of their names in programs. A library of another version is not used.

Count it up, in kernels.cc too, when arguments or results change.
"""
FOLDER = Path(__file__).parent
KERNELS = ("swin_block", "swin_block_gradient", "class_aggregation", "decoder", "decoder_gradient")
TARGETS = tuple(f"hclip_jax_{name}" for name in KERNELS)


@functools.cache
def lanes() -> int:
    """Floats in the vectors that the kernels use on this CPU; 0 = there are no kernels for it.

    The first call registers them.
    """
    for suffix in EXTENSION_SUFFIXES:  # this Python's first: it is built with the headers of its jaxlib
        path = FOLDER / f"_kernels{suffix}"
        if not path.exists():
            continue
        try:
            library = ctypes.CDLL(str(path))
            found = int(library.hclip_jax_lanes()) if library.hclip_jax_version() == VERSION else 0
            if found:
                for target in TARGETS:
                    handler = jax.ffi.pycapsule(getattr(library, target))
                    jax.ffi.register_ffi_target(name_in_programs(target), handler, platform="cpu")
            return found
        except Exception:  # built for another system, or for a version of XLA that does not fit
            continue
    return 0


def name_in_programs(target: str) -> str:
    """The name under which programs call a kernel."""
    return f"{target}_{VERSION}"
