"""Fine-tuning of CLIP's weights as a tuning method: copies that train and replace the weights.

none       no copies: only the head trains
full       whole towers; the temperature, which segmentation does not use, stays
attention  attention kernels only, as in CAT-Seg: query and value, without biases
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, PRNGKeyArray

from hclip_jax.adapters.targets import replace_kernels, select_targets
from hclip_jax.config.adapters import TOWERS, AttentionConfig, FullConfig, NoneConfig


def init_none(rng: PRNGKeyArray, clip_params: dict, config: NoneConfig) -> dict:
    """The empty tree."""
    del rng, clip_params, config
    return {}


def init_full(rng: PRNGKeyArray, clip_params: dict, config: FullConfig) -> dict:
    """Copies of the tuned towers."""
    del rng
    # Real copies: the training state is donated, and CLIP is not.
    return {tower: jax.tree.map(jnp.copy, clip_params[tower]) for tower in TOWERS if tower in config.towers}


def replace_towers(clip_params: dict, adapter_params: dict, config: NoneConfig | FullConfig) -> dict:
    """CLIP with whole towers, or nothing, replaced."""
    del config
    return {**clip_params, **adapter_params}


def init_attention(
    rng: PRNGKeyArray, clip_params: dict, config: AttentionConfig
) -> dict[str, Float32[Array, "_ _ D D"]]:
    """Copies [L', J', D, D] of the selected kernels of each tuned tower."""
    del rng
    params = {}
    for tower, spec in select_targets(clip_params, config).items():
        attention = clip_params[tower]["blocks"]["attention"]
        kernels = jnp.stack([attention[target]["kernel"] for target in spec.targets], axis=1)
        params[tower] = kernels[jnp.array(spec.layers)]
    return params


def replace_attention(
    clip_params: dict, adapter_params: dict[str, Float32[Array, "_ _ D D"]], config: AttentionConfig
) -> dict:
    """CLIP with the selected kernels replaced."""
    adapted = dict(clip_params)
    for tower, spec in select_targets(clip_params, config).items():
        kernels = adapter_params[tower]
        adapted[tower] = replace_kernels(
            clip_params[tower], spec, lambda j, _, kernel, kernels=kernels: kernels[:, j]
        )
    return adapted
