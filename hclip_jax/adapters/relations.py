"""DCRC, dual cross-relation communication: mixes adapter blocks across layers and across the two towers."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.adapters.targets import TargetSpec
from hclip_jax.ops import precision


def layer_index(num_layers: int, longest: int) -> tuple[int, ...]:
    """Index of each layer of a tower among the layers of the longest tower: spread evenly from the first."""
    return tuple(layer * longest // num_layers for layer in range(num_layers))


def align_layers(specs: Mapping[str, TargetSpec]) -> dict[str, tuple[int, ...]]:
    """Aligns the selected layers of the towers.

    Returns:
        For each tower the index of its L' layers among the L aligned layers that any tower uses.
    """
    longest = max(spec.num_layers for spec in specs.values())
    indices = {
        tower: [layer_index(spec.num_layers, longest)[layer] for layer in spec.layers]
        for tower, spec in specs.items()
    }
    used = sorted({index for tower in indices.values() for index in tower})
    return {tower: tuple(used.index(index) for index in own) for tower, own in indices.items()}


def init_relations(
    specs: Mapping[str, TargetSpec], block_size: int, kind: str
) -> dict[str, Float32[Array, "..."]]:
    """Relations with which `mix` returns the blocks unchanged.

    Returns:
        For "linear", identities: modality [L, M, M] and layer [J L, J L], with the M blocks of all towers.
        For "mlp", both have a leading axis of two, the matrices of a two-layer network, and alpha [M, L] is
        zero.
    """
    num_layers = 1 + max(index for tower in align_layers(specs).values() for index in tower)
    num_blocks = sum(spec.width // block_size for spec in specs.values())
    num_targets = max(len(spec.targets) for spec in specs.values())
    modality = jnp.broadcast_to(jnp.eye(num_blocks), (num_layers, num_blocks, num_blocks))
    layer = jnp.eye(num_targets * num_layers)
    if kind == "linear":
        return {"modality": modality, "layer": layer}
    return {
        "modality": jnp.stack([modality] * 2),
        "layer": jnp.stack([layer] * 2),
        "alpha": jnp.zeros((num_blocks, num_layers)),
    }


def mix(
    blocks: Mapping[str, Float32[Array, "_ J _ b b"]],
    layer_indices: Mapping[str, tuple[int, ...]],
    modality: Float32[Array, "*two L M M"],
    layer: Float32[Array, "*two J*L J*L"],
    alpha: Float32[Array, "M L"] | None = None,
) -> dict[str, Float32[Array, "_ J _ b b"]]:
    """Mixes the blocks of all layers and towers by two relations, in two products for the whole network.

        mixed[(l, j), i] = sum over (s, m) of  layer[(l, j), s] * modality[l, i, m] * blocks[s, m]

    This equals what the published code computes again in each of its 24 layers. Where a tower has no layer,
    its block counts as zero.

    With `alpha` it is the paper's form, blocks + alpha * mixed: each relation is a network of two matrices
    with a ReLU between them. The layer relation comes first, as in the published code. The paper gives no
    hidden width; here it is that of the input.

    Args:
        blocks: [L_t, J, M_t, b, b] float32 of each tower t.
        layer_indices: for each tower its L_t indices among the L aligned layers, see `align_layers`.
        modality: [L, M, M], a relation between the M blocks of all towers for each of L layers.
        layer: [J L, J L], a relation between all (layer, matrix) pairs.
        alpha: [M, L], or None; with it, `modality` and `layer` have a leading axis of two.

    Returns:
        The mixed blocks of each tower, in the input shapes.
    """
    num_layers = modality.shape[-3]
    x = jnp.concatenate(
        [scatter_layers(own, layer_indices[tower], num_layers) for tower, own in blocks.items()], axis=2
    )
    if alpha is None:
        mixed = _modality_relation(modality, _layer_relation(layer, x))
    else:
        mixed = _two_layer(_modality_relation, modality, _two_layer(_layer_relation, layer, x))
        mixed = x + jnp.swapaxes(alpha, 0, 1)[:, None, :, None, None] * mixed
    split, first = {}, 0
    for tower, own in blocks.items():
        split[tower] = _gather_layers(mixed[:, :, first : first + own.shape[2]], layer_indices[tower])
        first += own.shape[2]
    return split


def scatter_layers(
    blocks: Float[Array, "L_t ..."], indices: tuple[int, ...], num_layers: int
) -> Float[Array, "{num_layers} ..."]:
    """A tower's layers [L_t, ...] at `indices` of [L, ...], with zeros elsewhere."""
    if indices == tuple(range(num_layers)):
        return blocks  # towers of equal depth: moving the blocks took a fifth of the time of `apply`
    return jnp.zeros((num_layers, *blocks.shape[1:]), blocks.dtype).at[jnp.array(indices)].set(blocks)


def _gather_layers(mixed: Array, indices: tuple[int, ...]) -> Array:
    """The layers at `indices`: the inverse of `scatter_layers`."""
    return mixed if indices == tuple(range(len(mixed))) else mixed[jnp.array(indices)]


def _layer_relation(relation: Array, x: Array) -> Array:
    # As rows: the compiler transposes a product over several axes before it multiplies.
    rows = x.reshape(len(relation), -1)
    return jnp.einsum("st,tn->sn", relation, rows, precision=precision.of_16_bits()).reshape(x.shape)


def _modality_relation(relation: Array, x: Array) -> Array:
    num_layers, num_targets, num_blocks = x.shape[:3]
    # A copy of the small relation for each matrix of a layer saves transposing all blocks.
    relations = jnp.broadcast_to(relation[:, None], (num_layers, num_targets, num_blocks, num_blocks))
    rows = x.reshape(num_layers, num_targets, num_blocks, -1)
    return jnp.einsum("LJiM,LJMn->LJin", relations, rows, precision=precision.of_16_bits()).reshape(x.shape)


def _two_layer(relate: Callable[[Array, Array], Array], matrices: Array, x: Array) -> Array:
    return relate(matrices[1], jax.nn.relu(relate(matrices[0], x)))
