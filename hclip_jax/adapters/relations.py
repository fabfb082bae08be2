"""Dual cross-relation communication (DCRC): every block hears of all layers and of both towers."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.targets import Choice

KINDS = 4  # J: the attention matrices q, k, v, o

_HIGHEST = jax.lax.Precision.HIGHEST


def positions(layers: int, longest: int) -> tuple[int, ...]:
    """Where the layers of a tower stand among those of the longest: evenly, from its start."""
    return tuple(layer * longest // layers for layer in range(layers))


def places(choices: Mapping[str, Choice]) -> dict[str, tuple[int, ...]]:
    """Where the chosen layers of the towers meet: for each its place among the L places that are used."""
    longest = max(choice.depth for choice in choices.values())
    stand = {
        tower: [positions(choice.depth, longest)[layer] for layer in choice.layers]
        for tower, choice in choices.items()
    }
    used = sorted({position for tower in stand.values() for position in tower})
    return {tower: tuple(used.index(position) for position in own) for tower, own in stand.items()}


def init_relations(choices: Mapping[str, Choice], block: int, kind: str) -> dict[str, Array]:
    """Relations of which the blocks take no notice yet.

    Returns:
        For "linear", identities: modality [L, M, M] and layer [J L, J L], of M blocks of all towers. For
        "mlp" both have a leading axis of two, the matrices of a network, and alpha [M, L] is zero.
    """
    slots = 1 + max(place for tower in places(choices).values() for place in tower)
    blocks = sum(choice.width // block for choice in choices.values())
    kinds = max(len(choice.targets) for choice in choices.values())
    modality = jnp.broadcast_to(jnp.eye(blocks), (slots, blocks, blocks))
    layer = jnp.eye(kinds * slots)
    if kind == "linear":
        return {"modality": modality, "layer": layer}
    return {
        "modality": jnp.stack([modality] * 2),
        "layer": jnp.stack([layer] * 2),
        "alpha": jnp.zeros((blocks, slots)),
    }


def mix(
    blocks: Mapping[str, Array],
    at: Mapping[str, tuple[int, ...]],
    modality: Array,
    layer: Array,
    alpha: Array | None = None,
) -> dict[str, Array]:
    """Mixes the blocks of all layers and towers by two relations, in two products for the network.

        mixed[(l, j), i] = sum over (s, m) of  layer[(l, j), s] * modality[l, i, m] * blocks[s, m]

    which equals what the published code computes anew in each of its 24 layers. Where a tower has no
    layer, its block counts as zero.

    With `alpha` it is the paper's form: blocks + alpha * mixed, where each relation is a network of two
    matrices with a ReLU between them, and layers are related before towers, the published code's order.
    The paper gives no width of the hidden layer; here it is that of the input.

    Args:
        blocks: [L_t, J, M_t, b, b] float32 of each tower t.
        at: the L_t places of its layers, see `places`.
        modality: [L, M, M], one relation among the M blocks of all towers for each of L places.
        layer: [J L, J L], one relation among all (layer, matrix) pairs.
        alpha: [M, L], or None; with it, `modality` and `layer` have a leading axis of two.

    Returns:
        The mixed blocks of each tower, shaped as they came.
    """
    slots = modality.shape[-3]
    together = jnp.concatenate([_at(at[tower], slots, own) for tower, own in blocks.items()], axis=2)
    if alpha is None:
        mixed = _across_towers(modality, _across_layers(layer, together))
    else:
        mixed = _network(_across_towers, modality, _network(_across_layers, layer, together))
        mixed = together + jnp.swapaxes(alpha, 0, 1)[:, None, :, None, None] * mixed
    split, first = {}, 0
    for tower, own in blocks.items():
        split[tower] = _of(at[tower], mixed[:, :, first : first + own.shape[2]])
        first += own.shape[2]
    return split


def _at(places: tuple[int, ...], slots: int, own: Array) -> Array:
    """A tower's layers at their places among `slots`, and zeros elsewhere."""
    if places == tuple(range(slots)):
        return own  # as in towers of equal depth, where moving them took a fifth of the time of `adapt`
    return jnp.zeros((slots, *own.shape[1:]), own.dtype).at[jnp.array(places)].set(own)


def _of(places: tuple[int, ...], mixed: Array) -> Array:
    """What stands at `places`."""
    return mixed if places == tuple(range(len(mixed))) else mixed[jnp.array(places)]


def _across_layers(relation: Array, x: Array) -> Array:
    # As rows: the compiler transposes a product over several axes before it multiplies.
    rows = x.reshape(len(relation), -1)
    return jnp.einsum("st,tn->sn", relation, rows, precision=_HIGHEST).reshape(x.shape)


def _across_towers(relation: Array, x: Array) -> Array:
    layers, kinds, blocks = x.shape[:3]
    # A copy of the small relation for each matrix of a layer saves moving all blocks.
    relations = jnp.broadcast_to(relation[:, None], (layers, kinds, blocks, blocks))
    rows = x.reshape(layers, kinds, blocks, -1)
    return jnp.einsum("LJiM,LJMn->LJin", relations, rows, precision=_HIGHEST).reshape(x.shape)


def _network(relate: Callable[[Array, Array], Array], matrices: Array, x: Array) -> Array:
    return relate(matrices[1], jax.nn.relu(relate(matrices[0], x)))
