"""CLIP's features of fixed images and prompts: weights of the same model give the same features."""

from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.config.schema import ClipConfig
from hclip_jax.models.clip.image_encoder import ImageEncoder
from hclip_jax.models.clip.text_encoder import TextEncoder
from hclip_jax.models.params import Params
from hclip_jax.text import tokenizer
from hclip_jax.text.prompts import make_prompts

_PROMPTS = ("A photo of a cat in the scene", "A photo of a traffic light in the scene", "sky")


class ClipFeatures(NamedTuple):
    """Pooled features, projected to the shared space but not normalised to length 1."""

    image: np.ndarray  # float32 [B, D_e]
    text: np.ndarray  # float32 [S, D_e]


def clip_features(
    clip: ClipConfig, params: Params, images: np.ndarray, tokens: np.ndarray, dtype: str = "float32"
) -> ClipFeatures:
    """Features of S prompts and B images by both towers; D_e is CLIP's embed_dim.

    Args:
        clip: configuration of CLIP.
        params: float32 parameters of CLIP.
        images: [B, H, W, 3] RGB in 0..255.
        tokens: int32 [S, N].
        dtype: dtype of the activations.
    """
    features = _features(clip, dtype, params, images, tokens)
    return ClipFeatures(*(np.asarray(f, np.float32) for f in features))


def fixed_inputs(clip: ClipConfig) -> tuple[np.ndarray, np.ndarray]:
    """Two images uint8 [2, H, H, 3], a gradient and stripes, and three prompts int32 [3, N]."""
    y, x = np.mgrid[: clip.image.image_size, : clip.image.image_size]
    channels = np.arange(3)
    gradient = (x[..., None] * (1 + channels) + 2 * y[..., None]) % 256
    stripes = 255 * ((x[..., None] // (8 + channels) + y[..., None] // 5) % 2)
    images = np.stack([gradient, stripes]).astype(np.uint8)
    if clip.text.vocab_size > tokenizer.END and clip.text.context_length >= 16:
        prompts = make_prompts(_PROMPTS, ("{}",), "first", context_length=clip.text.context_length)
        return images, np.asarray(prompts.tokens)
    # Text towers with a small vocabulary, such as those of tests, end a prompt with their last id.
    ids = 1 + np.arange(3 * 6, dtype=np.int32).reshape(3, 6) % (clip.text.vocab_size - 2)
    return images, np.pad(ids, ((0, 0), (0, 1)), constant_values=clip.text.vocab_size - 1)


@partial(jax.jit, static_argnums=(0, 1))
def _features(
    clip: ClipConfig, dtype: str, params: Params, images: Array, tokens: Array
) -> tuple[Array, Array]:
    image = ImageEncoder(clip, dtype=jnp.dtype(dtype))
    text = TextEncoder(clip, jnp.dtype(dtype))
    pooled = image.apply({"params": params["image"]}, images, method=ImageEncoder.embed)
    return cast(Array, pooled), cast(Array, text.apply({"params": params["text"]}, tokens))
