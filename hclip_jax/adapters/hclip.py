"""H-CLIP: text rotated orthogonally, vision by free blocks, and relations between all blocks (DCRC)."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, PRNGKeyArray

from hclip_jax.adapters.cayley import orthogonal_blocks
from hclip_jax.adapters.relations import align_layers, init_relations, mix
from hclip_jax.adapters.rotate import rotate_tower
from hclip_jax.adapters.targets import TargetSpec, select_targets
from hclip_jax.config.adapters import HClipConfig

PARAM_NAMES = {"text": "text", "image": "vision"}
"""Name of each tower's blocks in the parameter tree of the published method."""


def init(rng: PRNGKeyArray, clip_params: dict, config: HClipConfig) -> dict[str, Float32[Array, "..."]]:
    """Parameters with which `apply` returns CLIP unchanged; they are not random.

    Returns:
        float32. Unless POP is off: text [L'_t, J', M_t, b, b] and vision [L'_v, J', M_v, b, b], zeros where
        the tower is orthogonal (the Cayley map gives identities) and identities where it is free. Unless
        DCRC is off: the parameters of `init_relations`.
    """
    del rng
    specs = select_targets(clip_params, config)
    params = {}
    if "pop" in config.parts:
        params |= {PARAM_NAMES[tower]: _initial_blocks(tower, spec, config) for tower, spec in specs.items()}
    if "dcrc" in config.parts:
        params |= init_relations(specs, config.block_size, config.relation)
    return params


def rotation_blocks(
    clip_params: dict, adapter_params: dict[str, Float32[Array, "..."]], config: HClipConfig
) -> dict[str, Float32[Array, "_ _ _ b b"]]:
    """The blocks [L', J', M, b, b] that multiply the attention matrices of each tower.

    POP without DCRC: independent blocks. DCRC without POP: only the relations train. The paper does not
    say what the blocks are then; here they keep their initial values, so that free blocks become multiples
    of the identity, and orthogonal ones (the skew part of such a multiple is zero) stay the identity.
    """
    specs = select_targets(clip_params, config)
    blocks = {
        tower: adapter_params[PARAM_NAMES[tower]]
        if "pop" in config.parts
        else _initial_blocks(tower, spec, config)
        for tower, spec in specs.items()
    }
    if "dcrc" in config.parts:
        relations = {name: p for name, p in adapter_params.items() if name not in PARAM_NAMES.values()}
        blocks = mix(blocks, align_layers(specs), **relations)
    # Cayley comes last, so a tower stays orthogonal whatever the relations learn.
    return {
        tower: orthogonal_blocks(a, config) if tower in config.orthogonal else a
        for tower, a in blocks.items()
    }


def apply(clip_params: dict, adapter_params: dict[str, Float32[Array, "..."]], config: HClipConfig) -> dict:
    """CLIP weights to CLIP weights of the same tree: section 3 of the paper, once a step."""
    blocks, specs = (
        rotation_blocks(clip_params, adapter_params, config),
        select_targets(clip_params, config),
    )
    rotated = {tower: rotate_tower(clip_params[tower], specs[tower], blocks[tower]) for tower in blocks}
    return {**clip_params, **rotated}


def _initial_blocks(tower: str, spec: TargetSpec, config: HClipConfig) -> Array:
    shape = spec.block_shape(config.block_size)
    return jnp.zeros(shape) if tower in config.orthogonal else jnp.broadcast_to(jnp.eye(shape[-1]), shape)
