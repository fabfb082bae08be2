"""BOFT: an orthogonal matrix as a product of butterfly factors (arXiv 2311.06243)."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32, PRNGKeyArray

from hclip_jax.adapters.cayley import orthogonal_blocks
from hclip_jax.adapters.rotate import rotate_input
from hclip_jax.adapters.targets import replace_kernels, select_targets
from hclip_jax.config.adapters import BoftConfig


def init(
    rng: PRNGKeyArray, clip_params: dict, config: BoftConfig
) -> dict[str, Float32[Array, "_ _ _ _ b b"]]:
    """Generators [L', J', factors, M, b, b] of each tuned tower, float32: zeros, the identity."""
    del rng
    params = {}
    for tower, spec in select_targets(clip_params, config).items():
        *matrices, count, b, _ = spec.block_shape(config.block_size)
        params[tower] = jnp.zeros((*matrices, config.num_factors, count, b, b))
    return params


def apply(
    clip_params: dict, adapter_params: dict[str, Float32[Array, "_ _ _ _ b b"]], config: BoftConfig
) -> dict:
    """W F_0 F_1 ... for every selected W, with the factors F_i of `rotate_by_factor`.

    peft's layer rotates the other way: it equals this with the generators negated. Its scale of the outputs
    (boft_s) is left out, since it would change the lengths that a rotation keeps.
    """
    adapted = dict(clip_params)
    for tower, spec in select_targets(clip_params, config).items():
        blocks = orthogonal_blocks(adapter_params[tower], config)

        def rotate(j: int, _: str, kernel: Array, blocks: Array = blocks) -> Array:
            for i in range(config.num_factors):
                kernel = rotate_by_factor(kernel, blocks[:, j, i], i)
            return kernel

        adapted[tower] = replace_kernels(clip_params[tower], spec, rotate)
    return adapted


def rotate_by_factor(
    kernel: Float[Array, "*batch D out"], blocks: Float[Array, "*batch M b b"], i: int
) -> Float[Array, "*batch D out"]:
    """W F_i, F_i = P blockdiag(Q) P^T: each block joins two half-blocks that are 2^i apart.

    Args:
        kernel: [..., D, out], the transpose of W.
        blocks: [..., M, b, b] orthogonal; M is a multiple of 2^i, b is even unless i is 0.
        i: 0 joins neighbours, as OFT does.
    """
    half = blocks.shape[-1] // 2
    if i:
        kernel = _permute_half_blocks(kernel, (2, 2**i), half)
    kernel = rotate_input(kernel, blocks)
    return _permute_half_blocks(kernel, (2**i, 2), half) if i else kernel


def _permute_half_blocks(kernel: Array, groups: tuple[int, int], half: int) -> Array:
    """Exchanges the two levels of groups of half-blocks of rows."""
    rows = kernel.reshape(*kernel.shape[:-2], -1, *groups, half, kernel.shape[-1])
    return jnp.swapaxes(rows, -4, -3).reshape(kernel.shape)
