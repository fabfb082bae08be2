"""OFT: every selected matrix is rotated by orthogonal blocks of its own (arXiv 2306.07280)."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, PRNGKeyArray

from hclip_jax.adapters.cayley import orthogonal_blocks
from hclip_jax.adapters.rotate import rotate_input
from hclip_jax.adapters.targets import replace_kernels, select_targets
from hclip_jax.config.adapters import OftConfig


def init(rng: PRNGKeyArray, clip_params: dict, config: OftConfig) -> dict[str, Float32[Array, "_ _ _ b b"]]:
    """Generators [L', J', M, b, b] of each tuned tower, float32: zeros, whose rotation is the identity."""
    del rng
    specs = select_targets(clip_params, config)
    return {tower: jnp.zeros(spec.block_shape(config.block_size)) for tower, spec in specs.items()}


def rotation_blocks(
    adapter_params: dict[str, Float32[Array, "_ _ _ b b"]], config: OftConfig
) -> dict[str, Float32[Array, "_ _ _ b b"]]:
    """The rotations of the generators, [L', J', M, b, b] of each tower."""
    return {tower: orthogonal_blocks(a, config) for tower, a in adapter_params.items()}


def apply(
    clip_params: dict, adapter_params: dict[str, Float32[Array, "_ _ _ b b"]], config: OftConfig
) -> dict:
    """W blockdiag(Q) for every selected W: on the input side, also of `out`.

    The direction is that of the OFT paper and of peft's Neumann series. peft's exact solve rotates the
    other way: it equals this with the generators negated.
    """
    blocks, adapted = rotation_blocks(adapter_params, config), dict(clip_params)
    for tower, spec in select_targets(clip_params, config).items():
        q = blocks[tower]
        adapted[tower] = replace_kernels(
            clip_params[tower], spec, lambda j, _, kernel, q=q: rotate_input(kernel, q[:, j])
        )
    return adapted
