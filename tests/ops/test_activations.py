import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from hclip_jax.ops.activations import gelu, quick_gelu
from tests import tolerance
from tests.gradients import value_and_gradients

X = jnp.concatenate([jnp.linspace(-12, 12, 2001), jnp.array([0.0, -100.0, 100.0])])


def test_gelu_and_its_gradient_equal_those_of_flax_far_from_zero_too() -> None:
    got, want = (value_and_gradients(f, X) for f in (gelu, lambda x: nn.gelu(x, approximate=False)))
    tolerance.assert_close(got, want, atol=2e-6)


def test_quick_gelu_is_that_of_openai() -> None:
    x = np.asarray(X, np.float64)
    tolerance.assert_close(quick_gelu(X), x / (1 + np.exp(-1.702 * x)), atol=1e-6)
