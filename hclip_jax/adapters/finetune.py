"""Fine-tuning in place, as adapters: copies of CLIP's weights that train in their stead.

none       no copies: CLIP as it is, and only the head trains
full       the chosen towers, whole; the temperature, which segmentation does not use, stays
attention  kernels of attention alone, as CAT-Seg trains them: query and value, without biases
"""

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.adapters.targets import TOWERS, change, choose
from hclip_jax.config.schema import AdapterConfig


def init_none(rng: Array, clip_params: dict, config: AdapterConfig) -> dict:
    """The empty tree."""
    del rng, clip_params, config
    return {}


def init_full(rng: Array, clip_params: dict, config: AdapterConfig) -> dict:
    """Copies of the chosen towers."""
    del rng
    # Copies in memory too: the training state is donated, and CLIP is not.
    return {tower: jax.tree.map(jnp.copy, clip_params[tower]) for tower in TOWERS if tower in config.towers}


def replace(clip_params: dict, adapters: dict, config: AdapterConfig) -> dict:
    """CLIP with whole towers, or nothing, replaced."""
    del config
    return {**clip_params, **adapters}


def init_attention(rng: Array, clip_params: dict, config: AdapterConfig) -> dict[str, Array]:
    """Copies [L, J, D, D] of the chosen kernels of each chosen tower."""
    del rng
    params = {}
    for tower, choice in choose(clip_params, config).items():
        attention = clip_params[tower]["blocks"]["attention"]
        kernels = jnp.stack([attention[target]["kernel"] for target in choice.targets], axis=1)
        params[tower] = kernels[jnp.array(choice.layers)]
    return params


def replace_attention(clip_params: dict, adapters: dict[str, Array], config: AdapterConfig) -> dict:
    """CLIP with the chosen kernels replaced."""
    adapted = dict(clip_params)
    for tower, choice in choose(clip_params, config).items():
        own = adapters[tower]
        adapted[tower] = change(clip_params[tower], choice, lambda j, _, kernel, own=own: own[:, j])
    return adapted
