"""Hyperspherical energy: how evenly the neurons of a layer are spread over the sphere."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops.precision import FLOAT32


def energy(neurons: Float[Array, "n d"]) -> Float32[Array, ""]:
    """Sum over i != j of 1 / ||w_i/||w_i|| - w_j/||w_j|| ||, as in section 3 of the paper.

    Args:
        neurons: [n, d], one neuron a row.

    Returns:
        float32 scalar; infinite where two neurons have the same direction.
    """
    directions = neurons / jnp.linalg.norm(neurons, axis=1, keepdims=True)
    cosine = jnp.matmul(directions, directions.T, precision=FLOAT32)
    distance = jnp.sqrt(jnp.maximum(2.0 - 2.0 * cosine, 0.0))
    off_diagonal = ~jnp.eye(len(directions), dtype=bool)
    return jnp.sum(jnp.where(off_diagonal, 1.0 / jnp.where(off_diagonal, distance, 1.0), 0.0))


def tower_energy(tower: dict) -> dict[str, Float32[Array, " L"]]:
    """Energy of each attention matrix of a tower: name -> [L].

    Neurons are the vectors that a rotation of that matrix rotates: the rows of W for q, k and v (rotated
    on the input side), the columns for o (rotated on the output side). For Flax kernels, W^T, these are
    the columns of q, k, v and the rows of o.
    """
    kernels = {name: dense["kernel"] for name, dense in tower["blocks"]["attention"].items()}
    return {
        name: jax.lax.map(energy, kernel if name == "out" else jnp.swapaxes(kernel, 1, 2))
        for name, kernel in kernels.items()
    }


def relative_energy(rotated: dict, original: dict) -> Float32[Array, ""]:
    """Energy of a rotated tower over that of the original tower, both summed over all matrices.

    1 within 1e-5 for a tower rotated by orthogonal blocks.
    """
    return _total(rotated) / _total(original)


def _total(tower: dict) -> Array:
    return jnp.sum(jnp.stack([jnp.sum(matrix) for matrix in tower_energy(tower).values()]))
