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
    tolerance.assert_close(jnp.swapaxes(q, -1, -2) @ q, identity, atol=1e-5)
    tolerance.assert_close(jnp.linalg.det(q), jnp.ones((3, 2)), atol=1e-5)


def test_direction_is_the_published_codes(blocks: jax.Array) -> None:
    s = np.asarray(skew(blocks), np.float64)
    identity = np.eye(16)
    tolerance.assert_close(cayley(blocks), (identity - s) @ np.linalg.inv(identity + s), atol=1e-5)


def test_zero_is_exactly_the_identity() -> None:
    tolerance.assert_same(cayley(jnp.zeros((2, 8, 8))), jnp.broadcast_to(jnp.eye(8), (2, 8, 8)))
    tolerance.assert_same(cayley(jnp.zeros((8, 8)), radius=0.1), jnp.eye(8))


def test_coft_keeps_generators_in_the_ball(blocks: jax.Array) -> None:
    q = cayley(blocks, radius=0.5)
    identity = jnp.eye(16)
    generator = jnp.linalg.solve(
        identity[None, None] + q, identity[None, None] - q
    )  # the map is its own inverse
    lengths = jnp.linalg.norm(generator, axis=(-2, -1))
    tolerance.assert_close(lengths, jnp.full((3, 2), 0.5), atol=1e-5)
    tolerance.assert_close(cayley(blocks, radius=100.0), cayley(blocks))


@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_gradient_is_finite_at_the_start(radius: float) -> None:
    gradient = jax.grad(lambda a: cayley(a, radius)[0, 1])(jnp.zeros((4, 4)))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0.1


def test_gradient_is_that_of_the_solve(blocks: jax.Array) -> None:
    def plain(a: jax.Array) -> jax.Array:
        identity = jnp.broadcast_to(jnp.eye(16), a.shape)
        return jnp.linalg.solve(identity + skew(a), identity - skew(a))

    weight = jax.random.normal(jax.random.key(1), blocks.shape)
    ours, theirs = (jax.grad(lambda a, f=f: (f(a) * weight).sum())(blocks) for f in (cayley, plain))
    tolerance.assert_close(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("terms", [2, 3, 4, 5, 6, 9])
def test_the_series_is_as_near_as_it_says(terms: int) -> None:
    """S with ||S||_2 = theta exactly: errors in float64, of the series and of the exact map."""
    theta = 0.25
    a = np.random.default_rng(0).standard_normal((16, 16))
    s = (a - a.T) / 2
    s *= theta / np.linalg.norm(s, 2)
    exact = (np.eye(16) - s) @ np.linalg.inv(np.eye(16) + s)
    series = np.asarray(cayley(jnp.asarray(s, jnp.float32), neumann_terms=terms), np.float64)
    power = theta ** (terms - 1)
    np.testing.assert_allclose(np.linalg.norm(series - exact, 2), power, rtol=1e-3, atol=1e-6)
    off = np.linalg.norm(series @ series.T - np.eye(16), 2)
    stated = 2 * power if terms % 2 else power**2
    np.testing.assert_allclose(off, stated, rtol=0.51 * power + 1e-3, atol=1e-6)


def test_the_series_of_zero_is_exactly_the_identity_and_has_a_gradient() -> None:
    tolerance.assert_same(
        cayley(jnp.zeros((2, 8, 8)), neumann_terms=5), jnp.broadcast_to(jnp.eye(8), (2, 8, 8))
    )
    gradient = [jax.grad(lambda a, n=n: cayley(a, neumann_terms=n)[0, 1])(jnp.zeros((4, 4))) for n in (0, 5)]
    tolerance.assert_close(gradient[1], gradient[0])
