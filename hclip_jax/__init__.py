"""H-CLIP in JAX: label every pixel of a picture with any words, by training about 4 % of CLIP.

Letters, one meaning each, in einsum strings, shape comments and docstrings alike:

    B images        H W pixels          h w patch grid      N tokens        D width
    K heads         T classes           P prompts a class   C cost channels L layers
    M blocks        b block size        J the four attention matrices, in the order q k v o
"""

from hclip_jax import runtime

runtime.prepare()  # before anything below imports jax and opens a backend

__version__ = "0.1.0"
