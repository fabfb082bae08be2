import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.adapters.cayley import cayley, skew
from tests import tolerance


@pytest.fixture
def blocks() -> jax.Array:
    return 0.3 * jax.random.normal(jax.random.key(0), (3, 2, 16, 16))


def test_orthogonal_with_determinant_one(blocks: jax.Array) -> None:
    q = cayley(blocks)
    identity = jnp.broadcast_to(jnp.eye(16), q.shape)
    tolerance.close(jnp.swapaxes(q, -1, -2) @ q, identity, atol=1e-5)
    tolerance.close(jnp.linalg.det(q), jnp.ones((3, 2)), atol=1e-5)


def test_direction_is_the_published_codes(blocks: jax.Array) -> None:
    s = np.asarray(skew(blocks), np.float64)
    identity = np.eye(16)
    tolerance.close(cayley(blocks), (identity - s) @ np.linalg.inv(identity + s), atol=1e-5)


def test_zero_is_exactly_the_identity() -> None:
    tolerance.same(cayley(jnp.zeros((2, 8, 8))), jnp.broadcast_to(jnp.eye(8), (2, 8, 8)))
    tolerance.same(cayley(jnp.zeros((8, 8)), radius=0.1), jnp.eye(8))


def test_coft_keeps_generators_in_the_ball(blocks: jax.Array) -> None:
    q = cayley(blocks, radius=0.5)
    identity = jnp.eye(16)
    generator = jnp.linalg.solve(
        identity[None, None] + q, identity[None, None] - q
    )  # the map is its own inverse
    lengths = jnp.linalg.norm(generator, axis=(-2, -1))
    tolerance.close(lengths, jnp.full((3, 2), 0.5), atol=1e-5)
    tolerance.close(cayley(blocks, radius=100.0), cayley(blocks))


@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_gradient_is_finite_at_the_start(radius: float) -> None:
    gradient = jax.grad(lambda a: cayley(a, radius)[0, 1])(jnp.zeros((4, 4)))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0.1
