"""The gradient of a Swin block's kernel: that of the plain form, the same bits for any number of threads."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.models.head.spatial_aggregation import SpatialAggregation
from hclip_jax.ops import backend
from hclip_jax.ops.native import library
from tests.ops.native.modules import (
    WIDTHS,
    Gradients,
    apply_guided,
    digest,
    digest_on_one_core,
    gradient,
    guided,
    needs_kernels,
    normal,
    random_params,
    slow,
)

pytestmark = needs_kernels


def case(sizes: tuple[Any, ...], dtype: Any = jnp.float32) -> Gradients:
    """A scalar function of parameters, activations and guidance, and its arguments."""
    channels, heads, window, batch, classes, grid = sizes
    module = SpatialAggregation(channels, 16, heads, window, dtype)
    x, guidance = (normal(*s).astype(dtype) for s in ((batch, classes, *grid, channels), (batch, *grid, 16)))
    params = random_params(nn.init(guided, module), x, guidance)
    # Logits of about 1: where a softmax has one large weight, its gradient is a difference of equal numbers.
    params = jax.tree.map(lambda p: p * 5 / len(p) ** 0.5 if p.ndim == 2 else p, params)
    cotangent = normal(*x.shape).astype(dtype)
    return lambda p, x, g: jnp.vdot(apply_guided(module, p, x, g), cotangent), (
        params,
        x.astype(dtype),
        guidance,
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "sizes",
    [
        (128, 4, 12, 1, 2, (24, 24)),  # as published
        (64, 2, 4, 2, 3, (8, 12)),  # windows of two images, a class for each slot
        slow((96, 3, 5, 1, 2, (10, 15))),  # an odd number of tokens
        slow((64, 1, 12, 1, 1, (7, 7))),  # one window, a head of 64 channels
        slow((32, 1, 2, 1, 40, (4, 4))),  # several classes for each slot
    ],
)
def test_gradients_are_those_of_the_plain_form(
    sizes: Any, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, args = case(sizes)
    with backend.use_kernels(False):
        want = gradient(function, *args).compile()(*args)
    monkeypatch.setattr(library, "lanes", lambda: width)
    program = gradient(function, *args)
    assert "hclip_jax_swin_block_gradient" in program.as_text()
    for (path, got), plain in zip(
        jax.tree_util.tree_leaves_with_path(program.compile()(*args)), jax.tree.leaves(want), strict=True
    ):
        name = jax.tree_util.keystr(path)
        if "['key']['guidance']['bias']" in name:  # zero but for rounding: all logits of a row move together
            assert np.abs(got).max() < 1e-3 * np.abs(args[1]).max()
            continue
        np.testing.assert_allclose(got, plain, rtol=0, atol=2e-5 * np.abs(plain).max(), err_msg=name)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_other_dtypes_have_the_plain_form(dtype: Any) -> None:
    function, args = case((32, 1, 2, 1, 3, (4, 4)), dtype)
    assert "hclip_jax_" not in gradient(function, *args).as_text()


def gradients_of_fixed_arguments() -> list[Array]:
    module = SpatialAggregation(32, 8, 1, 4, jnp.float32)
    x = jnp.sin(jnp.arange(40 * 64 * 32, dtype=jnp.float32)).reshape(1, 40, 8, 8, 32)
    guidance = jnp.cos(x[:, 0, :, :, :8])
    params = nn.init(guided, module)(jax.random.key(0), x, guidance)
    function = lambda p, x, g: (apply_guided(module, p, x, g) ** 2).sum()  # noqa: E731
    return jax.tree.leaves(gradient(function, params, x, guidance).compile()(params, x, guidance))


def test_the_number_of_threads_changes_no_bit() -> None:
    assert digest_on_one_core(__name__) == digest(gradients_of_fixed_arguments())
