"""Precision of products of float32, where the default is not enough.

A TPU multiplies bfloat16: by default a product of float32 rounds both factors to 8 significant bits. HIGHEST
takes 6 passes and keeps float32, HIGH takes 3 and keeps 16 bits. CPUs always keep float32.
"""

import jax

from hclip_jax.ops import backend

FLOAT32 = jax.lax.Precision.HIGHEST
"""The precision of products that are float32 on every platform."""


def of_16_bits() -> jax.lax.Precision:
    """The precision of products for which 16 bits are enough.

    Such are kernels, which dense layers of a TPU round to bfloat16, and the logits of the loss. HIGH on a
    TPU; on a GPU that would be TF32, which has 11 bits, so GPUs take FLOAT32.
    """
    return jax.lax.Precision.HIGH if backend.platform() == "tpu" else FLOAT32
