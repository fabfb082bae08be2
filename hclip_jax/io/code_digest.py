"""A digest of the code: what is computed by one version of it is not taken for that of another."""

import functools
import hashlib
import importlib.metadata
from pathlib import Path

from hclip_jax.version import __version__

_PACKAGE = Path(__file__).parents[1]
_CODE = ("*.py", "_kernels*.so")
_LIBRARIES = ("jax", "jaxlib", "flax", "numpy")


@functools.cache
def code_digest() -> str:
    """A digest of the package's source files and kernels, and of the versions of the libraries under it.

    An installed version is changed by nobody, but a checkout is, many times a day.
    """
    versions = [(name, importlib.metadata.version(name)) for name in _LIBRARIES]
    digest = hashlib.blake2b(repr((__version__, versions)).encode(), digest_size=20)
    for path in sorted(path for pattern in _CODE for path in _PACKAGE.rglob(pattern)):
        digest.update(f"{path.relative_to(_PACKAGE)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
