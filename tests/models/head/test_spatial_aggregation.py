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


def run(block: SwinBlock, x: jax.Array, guidance: jax.Array) -> jax.Array:
    return block(x, block.project_guidance(guidance))


def receptive_field(shifted: bool, y: int, x: int) -> np.ndarray:
    """Patches of its class that the output at (y, x) depends on: bool [8, 8]."""
    block, params = block_and_params(shifted)
    output = lambda v: nn.apply(run, block)(params, v, GUIDANCE)[0, 0, y, x].sum()  # noqa: E731
    gradient = jax.jit(jax.grad(output))(X)
    assert (gradient[0, 1] == 0).all()  # classes are independent
    return np.abs(gradient[0, 0]).max(-1) > 1e-12


def test_patches_attend_to_their_window() -> None:
    want = np.zeros((8, 8), bool)
    want[4:, :4] = True
    np.testing.assert_array_equal(receptive_field(False, 5, 1), want)


def test_shifted_windows_cross_the_borders_and_do_not_wrap_around() -> None:
    want = np.zeros((8, 8), bool)
    want[2:6, 2:6] = True
    np.testing.assert_array_equal(receptive_field(True, 3, 3), want)
    corner = np.zeros((8, 8), bool)
    corner[:2, :2] = True
    np.testing.assert_array_equal(receptive_field(True, 0, 0), corner)


def test_guidance_changes_the_attention_of_every_class() -> None:
    block, params = block_and_params(False)
    apply = jax.jit(nn.apply(run, block))
    change = apply(params, X, GUIDANCE.at[0, 0, 0].add(5.0)) - apply(params, X, GUIDANCE)
    assert (np.abs(change[0, :, :4, :4]).max((1, 2, 3)) > 1e-4).all()
    assert np.abs(change[0, :, 4:]).max() == 0


def test_the_mask_separates_patches_from_opposite_borders() -> None:
    mask = shifted_window_mask(8, 8, 4, 2)
    assert mask.shape == (4, 16, 16)
    assert (mask[0] == 0).all()  # all patches of the first window are neighbours
    assert set(np.unique(mask[3])) == {-100.0, 0.0}
    tolerance.assert_same(mask, mask.swapaxes(1, 2))


def test_from_windows_is_the_inverse_of_to_windows() -> None:
    windows = to_windows(X, 4)
    tolerance.assert_same(from_windows(windows, (8, 8)), X)
    tolerance.assert_same(windows[:, :, 1], X[:, :, :4, 4:].reshape(1, 2, 16, 4))
