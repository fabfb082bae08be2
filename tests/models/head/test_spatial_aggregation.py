from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.models.head.spatial_aggregation import (
    SwinBlock,
    from_windows,
    shifted_window_mask,
    to_windows,
)
from tests import tolerance

X = jax.random.normal(jax.random.key(0), (1, 2, 8, 8, 4))
GUIDANCE = jax.random.normal(jax.random.key(1), (1, 8, 8, 6))


def block_and_params(shifted: bool) -> tuple[SwinBlock, dict]:
    block = SwinBlock(4, 6, 2, 4, shifted, jnp.float32)
    return block, jax.jit(nn.init(run, block))(jax.random.key(2), X, GUIDANCE)


def run(block: SwinBlock, x: jax.Array, guidance: jax.Array) -> Any:
    return block(x, block.project_guidance(guidance))


def receptive_field(shifted: bool, y: int, x: int) -> np.ndarray:
    """Which patches of its class the output at (y, x) depends on: bool [8, 8]."""
    block, params = block_and_params(shifted)
    apply: Any = lambda params, v: nn.apply(run, block)(params, v, GUIDANCE)  # noqa: E731
    output = lambda v: apply(params, v)[0, 0, y, x].sum()  # noqa: E731
    gradient = jax.jit(jax.grad(output))(X)
    assert (gradient[0, 1] == 0).all()  # classes are independent here
    return np.abs(gradient[0, 0]).max(-1) > 1e-12


def test_attention_is_limited_to_the_window() -> None:
    wanted = np.zeros((8, 8), bool)
    wanted[4:, :4] = True
    np.testing.assert_array_equal(receptive_field(False, 5, 1), wanted)


def test_shifted_windows_straddle_the_borders_and_do_not_wrap() -> None:
    wanted = np.zeros((8, 8), bool)
    wanted[2:6, 2:6] = True
    np.testing.assert_array_equal(receptive_field(True, 3, 3), wanted)
    corner = np.zeros((8, 8), bool)
    corner[:2, :2] = True
    np.testing.assert_array_equal(receptive_field(True, 0, 0), corner)


def test_guidance_changes_the_attention_of_every_class() -> None:
    block, params = block_and_params(False)
    apply: Any = jax.jit(nn.apply(run, block))
    other = apply(params, X, GUIDANCE.at[0, 0, 0].add(5.0)) - apply(params, X, GUIDANCE)
    assert (np.abs(other[0, :, :4, :4]).max((1, 2, 3)) > 1e-4).all()
    assert np.abs(other[0, :, 4:]).max() == 0


def test_the_mask_separates_patches_that_rolling_moved_together() -> None:
    mask = shifted_window_mask(8, 8, 4, 2)
    assert mask.shape == (4, 16, 16)
    assert (mask[0] == 0).all()  # the first window holds neighbours only
    assert set(np.unique(mask[3])) == {-100.0, 0.0}
    tolerance.assert_same(mask, mask.swapaxes(1, 2))


def test_windows_and_back() -> None:
    back = from_windows(to_windows(X, 4), (8, 8))
    tolerance.assert_same(back, X)
    tolerance.assert_same(to_windows(X, 4)[:, :, 1], X[:, :, :4, 4:].reshape(1, 2, 16, 4))
