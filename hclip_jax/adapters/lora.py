"""LoRA: a matrix of low rank is added to every selected matrix (arXiv 2106.09685)."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, PRNGKeyArray

from hclip_jax.adapters.targets import replace_kernels, select_targets
from hclip_jax.config.adapters import LoraConfig
from hclip_jax.ops import precision


def init(
    rng: PRNGKeyArray, clip_params: dict, config: LoraConfig
) -> dict[str, dict[str, Float32[Array, "_ _ _ _"]]]:
    """Factors a [L', J', D, rank] and b [L', J', rank, D] of each tuned tower, float32.

    `a` is uniform within 1 / sqrt(D), as in peft (kaiming_uniform_ with a = sqrt(5)); `b` is zero.
    """
    params = {}
    for i, (tower, spec) in enumerate(select_targets(clip_params, config).items()):
        shape, bound = (*spec.shape, spec.width, config.rank), spec.width**-0.5
        a = jax.random.uniform(jax.random.fold_in(rng, i), shape, minval=-bound, maxval=bound)
        params[tower] = {"a": a, "b": jnp.zeros((*spec.shape, config.rank, spec.width))}
    return params


def apply(
    clip_params: dict, adapter_params: dict[str, dict[str, Float32[Array, "_ _ _ _"]]], config: LoraConfig
) -> dict:
    """Kernel + alpha / rank * a b for every selected kernel [in, out]."""
    scale, adapted = config.alpha / config.rank, dict(clip_params)
    for tower, spec in select_targets(clip_params, config).items():
        a, b = adapter_params[tower]["a"], adapter_params[tower]["b"]
        delta = scale * jnp.matmul(a, b, precision=precision.of_16_bits())
        adapted[tower] = replace_kernels(
            clip_params[tower], spec, lambda j, _, kernel, delta=delta: kernel + delta[:, j]
        )
    return adapted
