"""H-CLIP's adapters: text rotated orthogonally, vision freely, and all blocks in communication."""

import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.cayley import cayley
from hclip_jax.adapters.relations import KINDS, mix
from hclip_jax.adapters.rotate import rotate_tower
from hclip_jax.config_schema import AdapterConfig, ClipConfig


def init(clip: ClipConfig, config: AdapterConfig) -> dict[str, Array]:
    """Parameters that leave CLIP exactly as it was: there is nothing random about them.

    Returns:
        text [L_t, J, M_t, b, b] zeros (the Cayley map makes them identities), vision
        [L_v, J, M_v, b, b] identities, modality [L, M, M] and layer [4L, 4L] identities; float32.
    """
    b = config.block
    text, vision = clip.text, clip.image
    text_blocks, vision_blocks = text.width // b, vision.width // b
    longest = max(text.layers, vision.layers)
    shape = (vision.layers, KINDS, vision_blocks, b, b)
    return {
        "text": jnp.zeros((text.layers, KINDS, text_blocks, b, b)),
        "vision": jnp.broadcast_to(jnp.eye(b), shape),
        "modality": jnp.broadcast_to(
            jnp.eye(text_blocks + vision_blocks),
            (longest, text_blocks + vision_blocks, text_blocks + vision_blocks),
        ),
        "layer": jnp.eye(KINDS * longest),
    }


def blocks(adapters: dict[str, Array], config: AdapterConfig) -> tuple[Array, Array]:
    """The matrices the towers are rotated by: orthogonal text blocks and free vision blocks."""
    text, vision = mix(**adapters)
    # Cayley comes last, so the text stays orthogonal whatever the relations learn.
    return cayley(text, config.coft_radius), vision


def adapt(clip_params: dict, adapters: dict[str, Array], config: AdapterConfig) -> dict:
    """CLIP weights to CLIP weights of the same tree: section 3 of the paper, one call a step.

    Merging is this function called once; the result needs no adapter code.
    """
    text, vision = blocks(adapters, config)
    return {
        **clip_params,
        "image": rotate_tower(clip_params["image"], vision),
        "text": rotate_tower(clip_params["text"], text),
    }
