"""Partial orthogonal parameterization (POP): attention matrices multiplied by block-diagonal matrices.

The block-diagonal matrix is never built: each block multiplies its own rows or columns of the kernel. The
kernels are Flax's, [in, out], the transposes of the [out, in] weights W of the paper.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.adapters.targets import TargetSpec, replace_kernels
from hclip_jax.ops import precision


def rotate_input(
    kernel: Float[Array, "*batch D out"], blocks: Float[Array, "*batch M b b"]
) -> Float[Array, "*batch D out"]:
    """W blockdiag(Q), for q, k and v: kernels [..., D, out] and blocks [..., M, b, b] -> kernels."""
    rows = kernel.reshape(*blocks.shape[:-1], kernel.shape[-1])
    rotated = jnp.einsum("...Mxy,...Mxo->...Myo", blocks, rows, precision=precision.of_16_bits())
    return rotated.reshape(kernel.shape)


def rotate_output(
    kernel: Float[Array, "*batch in D"], blocks: Float[Array, "*batch M b b"]
) -> Float[Array, "*batch in D"]:
    """blockdiag(Q) W, for o: kernels [..., in, D] and blocks [..., M, b, b] -> kernels."""
    columns = kernel.reshape(*kernel.shape[:-1], *blocks.shape[-3:-1])
    rotated = jnp.einsum("...Mxy,...iMy->...iMx", blocks, columns, precision=precision.of_16_bits())
    return rotated.reshape(kernel.shape)


def rotate_tower(tower: dict, spec: TargetSpec, blocks: Float[Array, "_ _ M b b"]) -> dict:
    """Rotates the selected attention matrices of a tower: q, k and v on the input side, o on the output side.

    Args:
        tower: parameters of an encoder.
        spec: L' layers and J' targets.
        blocks: [L', J', M, b, b].

    Returns:
        The same tree with those kernels replaced. Biases, also that of o, are not rotated.
    """

    def rotate(j: int, target: str, kernel: Array) -> Array:
        return (rotate_output if target == "out" else rotate_input)(kernel, blocks[:, j])

    return replace_kernels(tower, spec, rotate)
