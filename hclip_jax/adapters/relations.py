"""Dual cross-relation communication (DCRC): every block hears of all layers and of both towers."""

import jax
import jax.numpy as jnp
from jax import Array

KINDS = 4  # J: the attention matrices q, k, v, o


def positions(layers: int, longest: int) -> tuple[int, ...]:
    """Where the layers of a tower stand among those of the longest: evenly, from its start."""
    return tuple(layer * longest // layers for layer in range(layers))


def mix(text: Array, vision: Array, modality: Array, layer: Array) -> tuple[Array, Array]:
    """Mixes the blocks of all layers and towers by two relations, in two products for the network.

        mixed[(l, j), i] = sum over (s, m) of  layer[(l, j), s] * modality[l, i, m] * blocks[s, m]

    which equals what the published code computes anew in each of its 24 layers. The towers' layers
    meet at `positions`: where the shorter one has no layer, its block counts as zero.

    Args:
        text: [L_t, J, M_t, b, b] float32, blocks of the text tower.
        vision: [L_v, J, M_v, b, b] float32, blocks of the image tower.
        modality: [L, M_t + M_v, M_t + M_v], one relation among blocks for each of L = max(L_t, L_v).
        layer: [4 L, 4 L], one relation among all (layer, matrix) pairs.

    Returns:
        The mixed text and vision blocks, shaped as they came.
    """
    longest = len(modality)
    towers = (text, vision)
    places = [jnp.array(positions(len(tower), longest)) for tower in towers]
    together = jnp.concatenate(
        [
            jnp.zeros((longest, *tower.shape[1:]), tower.dtype).at[place].set(tower)
            for tower, place in zip(towers, places, strict=True)
        ],
        axis=2,
    )
    across_layers = layer.reshape(longest, KINDS, longest, KINDS)
    highest = jax.lax.Precision.HIGHEST
    mixed = jnp.einsum("LJlj,ljMxy->LJMxy", across_layers, together, precision=highest)
    mixed = jnp.einsum("LiM,LJMxy->LJixy", modality, mixed, precision=highest)
    split = text.shape[2]
    return mixed[places[0], :, :split], mixed[places[1], :, split:]
