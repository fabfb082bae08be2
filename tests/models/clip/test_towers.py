"""Properties of CLIP's towers that hold for any weights."""

import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.models.hclip import Model
from hclip_jax.text.prompts import Prompts
from hclip_jax.text.tokenizer import tokenize
from tests import tolerance
from tests.small_models import micro, mini, mini_params

MODEL = Model(micro().architecture)
CLIP = jax.jit(MODEL.init)(jax.random.key(0))["clip"]
TOKENS = tokenize(["a photo of a cat", "sky"], 77)


def text(tokens: np.ndarray, shared_prefix_len: int = 0) -> jax.Array:
    apply = jax.jit(MODEL.text_encoder.apply, static_argnums=2)
    return cast(jax.Array, apply({"params": CLIP["text"]}, tokens, shared_prefix_len))


def image(images: jax.Array) -> jax.Array:
    features: Any = jax.jit(MODEL.image_encoder.apply)({"params": CLIP["image"]}, images)
    return features.patch_features


def test_tokens_may_be_cut_after_the_end_token() -> None:
    tolerance.assert_close(text(TOKENS[:, :8]), text(TOKENS), atol=1e-6)


def test_tokens_after_the_end_token_have_no_effect() -> None:
    other = TOKENS.copy()
    other[:, 20:] = 7
    tolerance.assert_close(text(other), text(TOKENS), atol=1e-6)
    other[:, 2] = 7
    assert np.abs(text(other) - text(TOKENS)).max() > 1e-3


def test_a_shared_prefix_may_be_computed_once() -> None:
    tokens = tokenize(["a photo of a cat", "a photo of the sky", "a photo of a dog"], 8)
    want = np.concatenate([text(row[None]) for row in tokens])
    for shared_prefix_len in (0, 1, 2, 4):
        tolerance.assert_close(text(tokens, shared_prefix_len), want, atol=1e-6)
    assert np.abs(text(tokens, 5)[1] - want[1]).max() > 1e-3  # the fifth token differs


def test_prompts_share_no_prefix_by_default() -> None:
    tokens = np.array([[3, 4, 9], [5, 4, 9], [6, 7, 9]], np.int32)
    tolerance.assert_close(text(tokens), np.concatenate([text(row[None]) for row in tokens]), atol=1e-6)


def test_gradients_of_shared_tokens_are_sums_over_prompts() -> None:
    tokens = tokenize(["a photo of a cat", "a photo of the sky"], 8)

    def energy(params: dict, shared_prefix_len: int) -> jax.Array:
        features = MODEL.text_encoder.apply({"params": params}, tokens, shared_prefix_len)
        return (cast(jax.Array, features) ** 2).sum()

    gradient = jax.jit(jax.grad(energy), static_argnums=1)
    tolerance.assert_close(gradient(CLIP["text"], 4), gradient(CLIP["text"], 0), atol=1e-3, rtol=1e-4)


def test_images_may_have_any_size_in_patches() -> None:
    images = jax.random.uniform(jax.random.key(1), (2, 48, 24, 3)) * 255
    assert image(images).shape == (2, 6, 3, 16)
    tolerance.assert_close(image(images)[1:], image(images[1:]), atol=1e-5)


def test_bfloat16_rounds_the_results_of_blocks_but_not_the_residual_stream() -> None:
    """With a residual stream of bfloat16, the features after twelve blocks would be off by 0.0088."""
    images = jax.random.randint(jax.random.key(0), (1, 384, 384, 3), 0, 256).astype(jnp.uint8)

    def features(dtype: Any) -> np.ndarray:
        a = mini().architecture
        model = Model(dataclasses.replace(a, model=dataclasses.replace(a.model, dtype=dtype)))
        patches = np.asarray(jax.jit(model.encode_image)(mini_params()["clip"], images).patch_features)
        assert patches.dtype == np.float32
        return patches / np.linalg.norm(patches, axis=-1, keepdims=True)

    off = np.linalg.norm(features("bfloat16") - features("float32"), axis=-1).mean()
    assert 0 < off < 0.007


def test_pixels_are_normalized_with_the_statistics_of_clip() -> None:
    mean = jnp.broadcast_to(jnp.array([122.7709383, 116.7460125, 104.09373615]), (1, 24, 24, 3))
    zero_patches = CLIP["image"] | {"patch_embedding": 0 * CLIP["image"]["patch_embedding"]}
    features: Any = jax.jit(MODEL.image_encoder.apply)({"params": zero_patches}, mean)
    tolerance.assert_close(features.patch_features, image(mean), atol=1e-5)


def test_prompts_with_the_same_segment_id_are_averaged() -> None:
    def features(tokens: np.ndarray, segment_ids: list[int], num_classes: int) -> jax.Array:
        ids = np.array(segment_ids, np.int32)
        prompts = Prompts(tokens, ids, num_classes, num_templates=1, shared_prefix_len=1)
        return jax.jit(MODEL.encode_text)(CLIP, prompts)[:, 0]

    cat, sky = features(TOKENS, [0, 1], 2)
    both = features(TOKENS, [0, 0], 1)[0]
    want = (cat + sky) / np.linalg.norm(cat + sky)
    tolerance.assert_close(both, want, atol=1e-5)
    padded = features(np.repeat(TOKENS, 2, 0), [0, 9, 1, 9], 2)
    tolerance.assert_close(padded, jnp.stack([cat, sky]), atol=1e-6)
