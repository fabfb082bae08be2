import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.adapters.cayley import cayley
from hclip_jax.ops.inverse import inverse_plus_identity


@pytest.mark.parametrize("size", [1, 2, 7, 16, 33, 128])
@pytest.mark.parametrize("theta", [0.0, 0.3, 3.0, 100.0])
def test_the_error_is_as_small_as_documented(size: int, theta: float) -> None:
    """S with ||S||_2 = theta (0 for one row), against float64."""
    a = np.random.default_rng(size).standard_normal((size, size))
    s = a - a.T
    s = (s * theta / max(np.linalg.norm(s, 2), 1e-30)).astype(np.float32)
    error = np.abs(inverse_plus_identity(jnp.asarray(s)) - np.linalg.inv(np.eye(size) + s.astype(np.float64)))
    assert error.max() < 1e-6


def test_the_cayley_map_does_not_call_lapack() -> None:
    """On CPUs, two LAPACK calls in one program, or one on each of two devices, can deadlock."""
    lowered = jax.jit(jax.grad(lambda a: cayley(a).sum())).lower(jnp.zeros((8, 32, 32)))
    program = lowered.compile().as_text() or ""
    assert " dot(" in program
    assert "custom-call(" not in program
