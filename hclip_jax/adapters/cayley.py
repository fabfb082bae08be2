"""The Cayley map: any square matrix to a rotation."""

import jax
import jax.numpy as jnp
from jax import Array


def skew(a: Array) -> Array:
    """The skew-symmetric part (A - A^T) / 2 of `a` [..., b, b]."""
    return (a - jnp.swapaxes(a, -1, -2)) / 2


def cayley(a: Array, radius: float = 0.0) -> Array:
    """Rotations Q = (I - S)(I + S)^-1 of the skew parts S of many blocks.

    The published code's direction; the paper writes the inverse rotation. A = 0 gives exactly I. I + S
    is always invertible and well conditioned, so a float32 solve is safe; the map never reaches a
    rotation with an eigenvalue -1.

    Args:
        a: [..., b, b], computed in float32 at the highest precision.
        radius: COFT. Where the Frobenius norm of a block's S exceeds it, S is scaled back onto that
            ball, so that no block turns far from the identity. 0 leaves S as it is.

    Returns:
        Orthogonal blocks of determinant +1, float32, shaped as `a`.
    """
    a = a.astype(jnp.float32)
    rotation = jax.vmap(lambda block: _cayley(block, radius))(a.reshape(-1, *a.shape[-2:]))
    return rotation.reshape(a.shape)


def _cayley(a: Array, radius: float) -> Array:
    s = skew(a)
    if radius:
        s = _into_ball(s, radius)
    identity = jnp.eye(len(s))
    # (I - S) and (I + S)^-1 commute, so the product is one solve.
    return jnp.linalg.solve(identity + s, identity - s)


def _into_ball(s: Array, radius: float) -> Array:
    square = jnp.sum(s * s)
    outside = square > radius**2
    # The inner `where` keeps the gradient of sqrt finite at S = 0, where every adapter starts.
    length = jnp.sqrt(jnp.where(outside, square, 1.0))
    return jnp.where(outside, s * (radius / length), s)
