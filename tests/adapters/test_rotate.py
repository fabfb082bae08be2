import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import block_diag

from hclip_jax.adapters.rotate import rotate_input, rotate_output
from tests import tolerance

BLOCKS = jax.random.normal(jax.random.key(0), (3, 4, 4))
WEIGHT = jax.random.normal(jax.random.key(1), (12, 12))  # [out, in], as PyTorch has it


def test_input_side_is_w_times_the_block_diagonal() -> None:
    wanted = WEIGHT @ block_diag(*BLOCKS)
    tolerance.assert_close(rotate_input(WEIGHT.T, BLOCKS).T, wanted, atol=1e-5)


def test_output_side_is_the_block_diagonal_times_w() -> None:
    wanted = block_diag(*BLOCKS) @ WEIGHT
    tolerance.assert_close(rotate_output(WEIGHT.T, BLOCKS).T, wanted, atol=1e-5)


def test_leading_axes_are_layers() -> None:
    kernels = jax.random.normal(jax.random.key(2), (2, 12, 12))
    blocks = jax.random.normal(jax.random.key(3), (2, 3, 4, 4))
    for rotate in (rotate_input, rotate_output):
        one_by_one = jnp.stack([rotate(k, b) for k, b in zip(kernels, blocks, strict=True)])
        tolerance.assert_close(rotate(kernels, blocks), one_by_one)


def test_identity_is_exact() -> None:
    identity = jnp.broadcast_to(jnp.eye(4), (3, 4, 4))
    for rotate in (rotate_input, rotate_output):
        np.testing.assert_array_equal(rotate(WEIGHT, identity), WEIGHT)
