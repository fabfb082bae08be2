"""BOFT: an orthogonal matrix as a product of butterfly factors (arXiv 2311.06243)."""

import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.cayley import orthogonal
from hclip_jax.adapters.rotate import rotate_input
from hclip_jax.adapters.targets import change, choose
from hclip_jax.config.schema import AdapterConfig


def init(rng: Array, clip_params: dict, config: AdapterConfig) -> dict[str, Array]:
    """Generators [L, J, factors, M, b, b] of each chosen tower, float32: zeros, which rotate nothing."""
    del rng
    params = {}
    for tower, choice in choose(clip_params, config).items():
        *matrices, count, side, _ = choice.blocks(config.block)
        params[tower] = jnp.zeros((*matrices, config.factors, count, side, side))
    return params


def adapt(clip_params: dict, adapters: dict[str, Array], config: AdapterConfig) -> dict:
    """W F_0 F_1 ... for every chosen W, the F_i being the factors of `rotate_by_factor`.

    peft's layer turns the other way: it is this with the generators negated. Its scale of the outputs
    (boft_s) is left out, since it would change the lengths that a rotation keeps.
    """
    adapted = dict(clip_params)
    for tower, choice in choose(clip_params, config).items():
        blocks = orthogonal(adapters[tower], config)

        def turn(j: int, _: str, kernel: Array, blocks: Array = blocks) -> Array:
            for i in range(config.factors):
                kernel = rotate_by_factor(kernel, blocks[:, j, i], i)
            return kernel

        adapted[tower] = change(clip_params[tower], choice, turn)
    return adapted


def rotate_by_factor(kernel: Array, blocks: Array, i: int) -> Array:
    """W F_i, F_i = P blockdiag(Q) P^T: block by block it joins half-blocks that lie 2^i apart.

    Args:
        kernel: [..., D, out], the transpose of W.
        blocks: [..., M, b, b] orthogonal; M is a multiple of 2^i, b is even unless i is 0.
        i: 0 joins neighbours, as OFT does.
    """
    half = blocks.shape[-1] // 2
    if i:
        kernel = _swap(kernel, (2, 2**i), half)
    kernel = rotate_input(kernel, blocks)
    return _swap(kernel, (2**i, 2), half) if i else kernel


def _swap(kernel: Array, groups: tuple[int, int], half: int) -> Array:
    """Rows in groups of groups of half-blocks, the two levels of groups exchanged."""
    rows = kernel.reshape(*kernel.shape[:-2], -1, *groups, half, kernel.shape[-1])
    return jnp.swapaxes(rows, -4, -3).reshape(kernel.shape)
