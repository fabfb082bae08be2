"""The Cayley map: any square matrix to a rotation."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.config.adapters import BlockConfig
from hclip_jax.ops.inverse import inverse_plus_identity, matmul_highest


def orthogonal_blocks(a: Float[Array, "*batch b b"], config: BlockConfig) -> Float32[Array, "*batch b b"]:
    """Rotations of blocks [..., b, b]: `cayley` with the fields of a method's configuration."""
    return cayley(a, config.coft_radius, config.neumann_terms if config.cayley == "neumann" else 0)


def skew(a: Float[Array, "*batch b b"]) -> Float[Array, "*batch b b"]:
    """The skew-symmetric part (A - A^T) / 2 of `a` [..., b, b]."""
    return (a - jnp.swapaxes(a, -1, -2)) / 2


def cayley(
    a: Float[Array, "*batch b b"], radius: float = 0.0, neumann_terms: int = 0
) -> Float32[Array, "*batch b b"]:
    """Rotations Q = (I - S)(I + S)^-1 of the skew parts S of many blocks.

    The direction of the published code; the paper writes the inverse rotation. A = 0 gives exactly I.
    I + S is always invertible and well conditioned, so float32 is enough; the map never reaches a rotation
    with an eigenvalue -1.

    A Neumann series of n terms needs only products,

        I - 2 S + 2 S^2 - ... + 2 (-S)^(n-2) + (-S)^(n-1)  =  Q (I - (-S)^(n-1)),

    and is close to Q for small theta = ||S||_2: its error is theta^(n-1) in the spectral norm, and
    ||Q Q^T - I||_2 is 2 theta^(n-1) to first order for odd n and theta^(2 (n-1)) for even n: for
    theta = 0.25, 7.8e-3 for n = 5 and 9.5e-7 for n = 6. It diverges for theta > 1.

    Args:
        a: [..., b, b], computed in float32 at the highest precision.
        radius: COFT. Where the Frobenius norm of a block's S exceeds it, S is scaled back onto that
            ball, so that no block is far from the identity. 0 = no limit.
        neumann_terms: n, 2 or more; 0 is the exact map.

    Returns:
        Blocks of determinant +1, orthogonal unless by a series, float32, shaped as `a`.
    """
    a = a.astype(jnp.float32)
    rotations = jax.vmap(lambda block: _cayley(block, radius, neumann_terms))(a.reshape(-1, *a.shape[-2:]))
    return rotations.reshape(a.shape)


def _cayley(a: Array, radius: float, neumann_terms: int) -> Array:
    s = skew(a)
    if radius:
        s = _into_ball(s, radius)
    if neumann_terms:
        return _neumann(-s, neumann_terms)
    return rotation(s)


@jax.custom_jvp
def rotation(s: Float32[Array, "b b"]) -> Float32[Array, "b b"]:
    """Q = (I - S)(I + S)^-1 = 2 (I + S)^-1 - I of skew S [b, b].

    The derivative needs no second inverse: dQ = -(I + Q) dS (I + Q) / 2.
    """
    return 2.0 * inverse_plus_identity(s) - jnp.eye(len(s))


@rotation.defjvp
def _rotation_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (s,), (ds,) = primals, tangents
    q = rotation(s)
    i_plus_q = jnp.eye(len(q)) + q
    return q, -0.5 * matmul_highest(matmul_highest(i_plus_q, ds), i_plus_q)


def _neumann(x: Array, terms: int) -> Array:
    """I + 2 X + 2 X^2 + ... + 2 X^(n-2) + X^(n-1)."""
    total, power = jnp.eye(len(x)), x
    for _ in range(terms - 2):
        total = total + 2 * power
        power = matmul_highest(power, x)
    return total + power


def _into_ball(s: Array, radius: float) -> Array:
    norm_squared = jnp.sum(s * s)
    outside = norm_squared > radius**2
    # The inner `where` keeps the gradient of sqrt finite at S = 0, where every adapter starts.
    norm = jnp.sqrt(jnp.where(outside, norm_squared, 1.0))
    return jnp.where(outside, s * (radius / norm), s)
