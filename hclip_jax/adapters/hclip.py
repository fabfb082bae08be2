"""H-CLIP's adapters: text rotated orthogonally, vision freely, and all blocks in communication."""

import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.cayley import orthogonal
from hclip_jax.adapters.relations import init_relations, mix, places
from hclip_jax.adapters.rotate import rotate_tower
from hclip_jax.adapters.targets import Choice, choose
from hclip_jax.config.schema import AdapterConfig

PUBLISHED = AdapterConfig(
    method="hclip",
    towers=("text", "image"),
    layers=(),
    targets=(),
    block=128,
    factors=2,
    rank=8,
    alpha=8.0,
    orthogonal=("text",),
    parts=("pop", "dcrc"),
    relation="linear",
    cayley="solve",
    neumann_terms=5,
    coft_radius=0.0,
)
"""What the published code does; all that it lets one choose is `block`."""

LEAVES = {"text": "text", "image": "vision"}  # of a tower's blocks, in the tree of the published method


def init(rng: Array, clip_params: dict, config: AdapterConfig) -> dict[str, Array]:
    """Parameters that leave CLIP exactly as it was: there is nothing random about them.

    Returns:
        Unless POP is off, text [L_t, J, M_t, b, b] and vision [L_v, J, M_v, b, b], zeros where the tower
        is orthogonal (the Cayley map makes them identities) and identities where it is free; unless DCRC
        is off, what `init_relations` says; float32. J and L are the chosen ones.
    """
    del rng
    choices = choose(clip_params, config)
    params = {}
    if "pop" in config.parts:
        params |= {LEAVES[tower]: _start(tower, choice, config) for tower, choice in choices.items()}
    if "dcrc" in config.parts:
        params |= init_relations(choices, config.block, config.relation)
    return params


def blocks(clip_params: dict, adapters: dict[str, Array], config: AdapterConfig) -> dict[str, Array]:
    """The matrices that attention is rotated by, [L, J, M, b, b] of each tower.

    POP without DCRC: blocks that know nothing of each other. DCRC without POP: only the relations train.
    The paper does not say what the blocks are then; here they stay where they start, so that free blocks
    become multiples of the identity, and orthogonal ones (whose generator is the skew part of such a
    multiple, zero) rotate nothing.
    """
    choices = choose(clip_params, config)
    pop, dcrc = ("pop" in config.parts), ("dcrc" in config.parts)
    found = {
        tower: adapters[LEAVES[tower]] if pop else _start(tower, choice, config)
        for tower, choice in choices.items()
    }
    if dcrc:
        relations = {name: leaf for name, leaf in adapters.items() if name not in LEAVES.values()}
        found = mix(found, places(choices), **relations)
    # Cayley comes last, so a tower stays orthogonal whatever the relations learn.
    return {
        tower: orthogonal(own, config) if tower in config.orthogonal else own for tower, own in found.items()
    }


def adapt(clip_params: dict, adapters: dict[str, Array], config: AdapterConfig) -> dict:
    """CLIP weights to CLIP weights of the same tree: section 3 of the paper, one call a step.

    Merging is this function called once; the result needs no adapter code.
    """
    turns, choices = blocks(clip_params, adapters, config), choose(clip_params, config)
    rotated = {tower: rotate_tower(clip_params[tower], choices[tower], turns[tower]) for tower in turns}
    return {**clip_params, **rotated}


def _start(tower: str, choice: Choice, config: AdapterConfig) -> Array:
    shape = choice.blocks(config.block)
    return jnp.zeros(shape) if tower in config.orthogonal else jnp.broadcast_to(jnp.eye(shape[-1]), shape)
