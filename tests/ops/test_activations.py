import flax.linen as nn
import jax.numpy as jnp

from hclip_jax.ops.activations import gelu
from tests import tolerance
from tests.gradients import value_and_gradients


def test_value_and_gradient_are_those_of_jax() -> None:
    x = jnp.concatenate([jnp.linspace(-12, 12, 2001), jnp.array([0.0, -100.0, 100.0])])
    got, want = (value_and_gradients(f, x) for f in (gelu, lambda x: nn.gelu(x, approximate=False)))
    tolerance.assert_close(got, want, atol=2e-6)


def test_bfloat16_stays_so() -> None:
    x = jnp.linspace(-3, 3, 7).astype(jnp.bfloat16)
    value, (gradient,) = value_and_gradients(gelu, x)
    assert value.dtype == gradient.dtype == jnp.bfloat16
