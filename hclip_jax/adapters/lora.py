"""LoRA: a matrix of low rank added to every chosen matrix (arXiv 2106.09685)."""

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.targets import change, choose
from hclip_jax.config.schema import AdapterConfig


def init(rng: Array, clip_params: dict, config: AdapterConfig) -> dict[str, dict[str, Array]]:
    """Factors a [L, J, D, rank] and b [L, J, rank, D] of each chosen tower, float32.

    `a` is uniform within 1 / sqrt(D), as peft has it (kaiming_uniform_ with a = sqrt(5)); `b` is zero.
    """
    params = {}
    for i, (tower, choice) in enumerate(choose(clip_params, config).items()):
        shape, bound = (*choice.shape, choice.width, config.rank), choice.width**-0.5
        a = jax.random.uniform(jax.random.fold_in(rng, i), shape, minval=-bound, maxval=bound)
        params[tower] = {"a": a, "b": jnp.zeros((*choice.shape, config.rank, choice.width))}
    return params


def adapt(clip_params: dict, adapters: dict[str, dict[str, Array]], config: AdapterConfig) -> dict:
    """Kernel + alpha / rank * a b for every chosen kernel [in, out]."""
    scale, adapted = config.alpha / config.rank, dict(clip_params)
    for tower, choice in choose(clip_params, config).items():
        a, b = adapters[tower]["a"], adapters[tower]["b"]
        delta = scale * jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
        adapted[tower] = change(
            clip_params[tower], choice, lambda j, _, kernel, delta=delta: kernel + delta[:, j]
        )
    return adapted
