from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from hclip_jax.ops.normalization import EPSILON, GroupNorm, LayerNorm
from tests import tolerance
from tests.gradients import value_and_gradients

PLAIN = {"epsilon": EPSILON, "use_fast_variance": False}


@pytest.mark.parametrize("groups", [0, 1, 3])
def test_value_and_gradients_are_those_of_flax(groups: int) -> None:
    """Of LayerNorm (0 groups) and GroupNorm, far from mean 0, where digits are lost first."""
    keys = jax.random.split(jax.random.key(0), 3)
    x = 20 + 3 * jax.random.normal(keys[0], (2, 5, 4, 6))
    scale, bias = (jax.random.normal(key, (6,)) for key in keys[1:])
    params = {"params": {"scale": scale, "bias": bias}}
    ours: Any = GroupNorm(groups, jnp.float32) if groups else LayerNorm(jnp.float32)
    theirs = nn.GroupNorm(groups, **PLAIN) if groups else nn.LayerNorm(**PLAIN)
    got, want = (value_and_gradients(layer.apply, params, x) for layer in (ours, theirs))
    tolerance.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("half", "exact"),
    [
        (LayerNorm(jnp.bfloat16), LayerNorm(jnp.float32)),
        (GroupNorm(2, jnp.bfloat16), GroupNorm(2, jnp.float32)),
    ],
)
def test_half_precision_is_normalised_in_float32(half: Any, exact: Any) -> None:
    x = (100 + jnp.linspace(-1, 1, 96)).reshape(1, 4, 4, 6).astype(jnp.bfloat16)
    params = half.init(jax.random.key(0), x)
    y = half.apply(params, x)
    assert y.dtype == jnp.bfloat16
    tolerance.assert_within(y.astype(jnp.float32), exact.apply(params, x.astype(jnp.float32)), 0.02)
