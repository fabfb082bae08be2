"""Properties of CLIP's towers that hold for any weights."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.text.prompts import Prompts
from hclip_jax.text.tokenizer import tokenize
from tests import tolerance
from tests.small_models import micro, mini, mini_params

MODEL = Model(micro().architecture)
CLIP = jax.jit(MODEL.init)(jax.random.key(0))["clip"]
TOKENS = tokenize(["a photo of a cat", "sky"], 77)


def text(tokens: np.ndarray, shared_prefix_len: int = 0) -> Any:
    apply = jax.jit(MODEL.text_encoder.apply, static_argnums=2)
    return apply({"params": CLIP["text"]}, tokens, shared_prefix_len)


def patch_features(images: jax.Array, params: Params = CLIP["image"]) -> jax.Array:
    features: Any = jax.jit(MODEL.image_encoder.apply)({"params": params}, images)
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
    for length in (0, 1, 2, 4):
        tolerance.assert_close(text(tokens, length), want, atol=1e-6)
    assert np.abs(text(tokens, 5)[1] - want[1]).max() > 1e-3  # token 4 is not shared


def test_by_default_no_prefix_is_shared() -> None:
    tokens = np.array([[3, 4, 9], [5, 4, 9], [6, 7, 9]], np.int32)
    tolerance.assert_close(text(tokens), np.concatenate([text(row[None]) for row in tokens]), atol=1e-6)


def test_gradients_of_shared_tokens_add_up() -> None:
    tokens = tokenize(["a photo of a cat", "a photo of the sky"], 8)

    def energy(params: dict, shared_prefix_len: int) -> jax.Array:
        features: Any = MODEL.text_encoder.apply({"params": params}, tokens, shared_prefix_len)
        return (features**2).sum()

    once, apart = (jax.jit(jax.grad(energy), static_argnums=1)(CLIP["text"], length) for length in (4, 0))
    tolerance.assert_close(once, apart, atol=1e-3, rtol=1e-4)


def test_images_of_any_size() -> None:
    images = jax.random.uniform(jax.random.key(1), (2, 48, 24, 3)) * 255
    assert patch_features(images).shape == (2, 6, 3, 16)
    tolerance.assert_close(patch_features(images)[1:], patch_features(images[1:]), atol=1e-5)


def test_bfloat16_towers_add_their_residuals_in_float32() -> None:
    """With bfloat16 residuals the features after twelve layers would differ by 0.0088."""
    images = jax.random.randint(jax.random.key(0), (1, 384, 384, 3), 0, 256).astype(jnp.uint8)

    def features(dtype: Any) -> np.ndarray:
        architecture = mini().architecture
        dtypes = dataclasses.replace(architecture.model, dtype=dtype)
        model = Model(dataclasses.replace(architecture, model=dtypes))
        patches = np.asarray(jax.jit(model.encode_image)(mini_params()["clip"], images).patch_features)
        assert patches.dtype == np.float32
        return patches / np.linalg.norm(patches, axis=-1, keepdims=True)

    difference = np.linalg.norm(features("bfloat16") - features("float32"), axis=-1).mean()
    assert 0 < difference < 0.007


def test_pixels_are_normalised_with_clips_statistics() -> None:
    mean = jnp.broadcast_to(jnp.array([122.7709383, 116.7460125, 104.09373615]), (1, 24, 24, 3))
    zero_patches = CLIP["image"] | {"patch_embedding": 0 * CLIP["image"]["patch_embedding"]}
    tolerance.assert_close(patch_features(mean, zero_patches), patch_features(mean), atol=1e-5)


def test_synonyms_are_averaged_by_segment() -> None:
    def features(tokens: np.ndarray, segment_ids: list[int], num_classes: int) -> jax.Array:
        prompts = Prompts(
            tokens, np.array(segment_ids, np.int32), num_classes, num_templates=1, shared_prefix_len=1
        )
        return jax.jit(MODEL.encode_text)(CLIP, prompts)[:, 0]

    cat, sky = features(TOKENS, [0, 1], 2)
    both = features(TOKENS, [0, 0], 1)[0]
    wanted = (cat + sky) / np.linalg.norm(cat + sky)
    tolerance.assert_close(both, wanted, atol=1e-5)
    padded = features(np.repeat(TOKENS, 2, 0), [0, 9, 1, 9], 2)
    tolerance.assert_close(padded, jnp.stack([cat, sky]), atol=1e-6)
