"""The gradient of the decoder's kernel: that of the plain form, the same bits for any number of threads."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.models.head.decoder import Decoder
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
    channels, dims, batch, classes, grid = sizes
    module = Decoder(channels, dims, (8, 4), 0.0, dtype)
    x = normal(batch, classes, *grid, channels).astype(dtype)
    guidance = tuple(normal(batch, *(s * n for n in grid), d).astype(dtype) for s, d in ((2, 8), (4, 4)))
    params = random_params(nn.init(guided, module), x, guidance)
    cotangent = normal(batch, classes, *(4 * n for n in grid))
    return lambda p, x, g: jnp.vdot(apply_guided(module, p, x, g), cotangent), (params, x, guidance)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "sizes",
    [
        slow((128, (64, 32), 1, 2, (24, 24))),  # as published
        (64, (32, 96), 2, 3, (5, 7)),  # rows that fill no last tile; the second step is wider
        slow((32, (32, 32), 1, 40, (1, 2))),  # several classes for each slot
        slow((32, (64, 32), 3, 1, (3, 3))),
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
    assert "hclip_jax_decoder_gradient" in program.as_text()
    for (path, got), plain in zip(
        jax.tree_util.tree_leaves_with_path(program.compile()(*args)), jax.tree.leaves(want), strict=True
    ):
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(got, plain, rtol=0, atol=2e-5 * np.abs(plain).max(), err_msg=name)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_other_dtypes_have_the_plain_form(dtype: Any) -> None:
    function, args = case((32, (32, 32), 1, 3, (2, 2)), dtype)
    assert "hclip_jax_" not in gradient(function, *args).as_text()


def gradients_of_fixed_arguments() -> list[Array]:
    module = Decoder(32, (32, 32), (8, 4), 0.0, jnp.float32)
    x = jnp.sin(jnp.arange(40 * 12 * 32, dtype=jnp.float32)).reshape(1, 40, 3, 4, 32)
    guidance = tuple(jnp.cos(jnp.arange(12 * n * c, dtype=jnp.float32)) for n, c in ((4, 8), (16, 4)))
    guidance = guidance[0].reshape(1, 6, 8, 8), guidance[1].reshape(1, 12, 16, 4)
    params = nn.init(guided, module)(jax.random.key(0), x, guidance)
    function = lambda p, x, g: (apply_guided(module, p, x, g) ** 2).sum()  # noqa: E731
    return jax.tree.leaves(gradient(function, params, x, guidance).compile()(params, x, guidance))


def test_the_number_of_threads_changes_no_bit() -> None:
    assert digest_on_one_core(__name__) == digest(gradients_of_fixed_arguments())
