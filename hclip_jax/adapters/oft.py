"""OFT: every chosen matrix rotated by orthogonal blocks of its own (arXiv 2306.07280)."""

import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.cayley import orthogonal
from hclip_jax.adapters.rotate import rotate_input
from hclip_jax.adapters.targets import change, choose
from hclip_jax.config.schema import AdapterConfig


def init(rng: Array, clip_params: dict, config: AdapterConfig) -> dict[str, Array]:
    """Generators [L, J, M, b, b] of each chosen tower, float32: zeros, which rotate nothing."""
    del rng
    choices = choose(clip_params, config)
    return {tower: jnp.zeros(choice.blocks(config.block)) for tower, choice in choices.items()}


def blocks(adapters: dict[str, Array], config: AdapterConfig) -> dict[str, Array]:
    """The rotations that the generators stand for, [L, J, M, b, b] of each tower."""
    return {tower: orthogonal(own, config) for tower, own in adapters.items()}


def adapt(clip_params: dict, adapters: dict[str, Array], config: AdapterConfig) -> dict:
    """W blockdiag(Q) for every chosen W: on the input side, that of `out` too.

    The direction is that of the OFT paper and of peft's Neumann series. peft's exact solve turns the other
    way: it is this with the generators negated.
    """
    turns, adapted = blocks(adapters, config), dict(clip_params)
    for tower, choice in choose(clip_params, config).items():
        own = turns[tower]
        adapted[tower] = change(
            clip_params[tower], choice, lambda j, _, kernel, own=own: rotate_input(kernel, own[:, j])
        )
    return adapted
