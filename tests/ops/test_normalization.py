from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.ops.normalization import EPSILON, GroupNorm, LayerNorm, l2_normalize
from tests import tolerance

FLAX = {"epsilon": EPSILON, "use_fast_variance": False}


@pytest.mark.parametrize("num_groups", [0, 1, 3])
def test_layers_equal_those_of_flax(num_groups: int) -> None:
    """LayerNorm (0 groups) and GroupNorm, far from mean 0, where digits are lost first."""
    keys = jax.random.split(jax.random.key(0), 3)
    x = 20 + 3 * jax.random.normal(keys[0], (2, 5, 4, 6))
    scale, bias = (jax.random.normal(key, (6,)) for key in keys[1:])
    params = {"params": {"scale": scale, "bias": bias}}
    ours: Any = GroupNorm(num_groups, jnp.float32) if num_groups else LayerNorm(jnp.float32)
    theirs = nn.GroupNorm(num_groups, **FLAX) if num_groups else nn.LayerNorm(**FLAX)
    got, want = (jax.jit(layer.apply)(params, x) for layer in (ours, theirs))
    tolerance.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("half", "exact"),
    [
        (LayerNorm(jnp.bfloat16), LayerNorm(jnp.float32)),
        (GroupNorm(2, jnp.bfloat16), GroupNorm(2, jnp.float32)),
    ],
)
def test_bfloat16_is_normalized_in_float32(half: Any, exact: Any) -> None:
    x = (100 + jnp.linspace(-1, 1, 96)).reshape(1, 4, 4, 6).astype(jnp.bfloat16)
    params = half.init(jax.random.key(0), x)
    y = half.apply(params, x)
    assert y.dtype == jnp.bfloat16
    tolerance.assert_within(y.astype(jnp.float32), exact.apply(params, x.astype(jnp.float32)), 0.02)


def test_zero_vectors_have_finite_gradients() -> None:
    assert np.isfinite(jax.grad(lambda x: l2_normalize(x).sum())(jnp.zeros((2, 4)))).all()
