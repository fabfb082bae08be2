"""Partial orthogonal parameterization (POP): a block-diagonal matrix on each attention matrix.

The block-diagonal matrix is never built: its blocks meet the kernel's rows or columns one by one. The
kernels are Flax's, [in, out], the transposes of the [out, in] weights W of the paper.
"""

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.targets import Choice, change

_HIGHEST = jax.lax.Precision.HIGHEST


def rotate_input(kernel: Array, blocks: Array) -> Array:
    """W blockdiag(Q), for q, k and v: kernels [..., D, out] and blocks [..., M, b, b] -> kernels."""
    rows = kernel.reshape(*blocks.shape[:-1], kernel.shape[-1])
    return jnp.einsum("...Mxy,...Mxo->...Myo", blocks, rows, precision=_HIGHEST).reshape(kernel.shape)


def rotate_output(kernel: Array, blocks: Array) -> Array:
    """blockdiag(Q) W, for o: kernels [..., in, D] and blocks [..., M, b, b] -> kernels."""
    columns = kernel.reshape(*kernel.shape[:-1], *blocks.shape[-3:-1])
    rotated = jnp.einsum("...Mxy,...iMy->...iMx", blocks, columns, precision=_HIGHEST)
    return rotated.reshape(kernel.shape)


def rotate_tower(tower: dict, choice: Choice, blocks: Array) -> dict:
    """Rotates the chosen attention matrices of a tower, each on its own side.

    Args:
        tower: parameters of an encoder.
        choice: L' layers and J' targets.
        blocks: [L', J', M, b, b]. The bias of o is not rotated.

    Returns:
        The same tree with those kernels replaced.
    """

    def turn(j: int, target: str, kernel: Array) -> Array:
        return (rotate_output if target == "out" else rotate_input)(kernel, blocks[:, j])

    return change(tower, choice, turn)
