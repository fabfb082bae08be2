"""H-CLIP in JAX: label every pixel of a picture with any words, by training about 4 % of CLIP.

Letters, one meaning each, in einsum strings, shape comments and docstrings alike:

    B images        H W pixels          h w patch grid      N tokens        D width
    K heads         T classes           P prompts a class   C cost channels L layers
    M blocks        b block size        J the four attention matrices, in the order q k v o
"""

import importlib
from typing import TYPE_CHECKING

from hclip_jax import runtime

if TYPE_CHECKING:
    from hclip_jax.inference.segmentation import Segmentation
    from hclip_jax.segmenter import Segmenter

runtime.prepare()  # before anything below imports jax and opens a backend

__version__ = "0.1.0"
__all__ = ["Segmentation", "Segmenter"]

_HOMES = {"Segmenter": "hclip_jax.segmenter", "Segmentation": "hclip_jax.inference.segmentation"}


def __getattr__(name: str) -> object:
    """What `__all__` lists, imported when first asked for: commands that need no JAX start at once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
