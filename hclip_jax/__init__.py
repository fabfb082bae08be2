"""H-CLIP in JAX: label every pixel of an image with any class names, by training about 4 % of CLIP.

Dimension letters, one meaning each, in einsum strings, shape comments and docstrings:

    B images        H W pixels          h w patch grid      N tokens        D width
    K heads         T classes           P prompts a class   C cost channels L layers
    M blocks        b block size        J the four attention matrices, in the order q k v o

Any other letter in a shape is declared in the docstring that uses it. Importing the package changes nothing:
no environment variable, no file, no JAX configuration (see `hclip_jax.runtime`). README.md has a map.
"""

import importlib
from typing import TYPE_CHECKING

from hclip_jax.version import __version__

if TYPE_CHECKING:
    from hclip_jax.adapters.methods import adapt, make_method
    from hclip_jax.inference.segmentation import Segmentation
    from hclip_jax.models.hclip import Model
    from hclip_jax.segmenter import Segmenter

__all__ = ["Model", "Segmentation", "Segmenter", "__version__", "adapt", "make_method"]

_MODULES = {
    "Model": "hclip_jax.models.hclip",
    "Segmentation": "hclip_jax.inference.segmentation",
    "Segmenter": "hclip_jax.segmenter",
    "adapt": "hclip_jax.adapters.methods",
    "make_method": "hclip_jax.adapters.methods",
}


def __getattr__(name: str) -> object:
    """Imports what `__all__` lists when it is first used: commands that need no JAX start without it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
