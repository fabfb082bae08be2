"""CLIP's towers: properties that hold whatever the weights."""

import dataclasses

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


def text(tokens: np.ndarray, alike: int = 0) -> jax.Array:
    return jax.jit(MODEL.text_encoder.apply, static_argnums=2)({"params": CLIP["text"]}, tokens, alike)


def image(pictures: jax.Array) -> jax.Array:
    return jax.jit(MODEL.image_encoder.apply)({"params": CLIP["image"]}, pictures).dense


def test_context_may_be_cut_behind_the_end_token() -> None:
    tolerance.assert_close(text(TOKENS[:, :8]), text(TOKENS), atol=1e-6)


def test_nothing_behind_the_end_token_is_read() -> None:
    other = TOKENS.copy()
    other[:, 20:] = 7
    tolerance.assert_close(text(other), text(TOKENS), atol=1e-6)
    other[:, 2] = 7
    assert np.abs(text(other) - text(TOKENS)).max() > 1e-3


def test_what_sentences_start_with_may_be_computed_once() -> None:
    tokens = tokenize(["a photo of a cat", "a photo of the sky", "a photo of a dog"], 8)
    want = np.concatenate([text(row[None]) for row in tokens])
    for alike in (0, 1, 2, 4):
        tolerance.assert_close(text(tokens, alike), want, atol=1e-6)
    assert np.abs(text(tokens, 5)[1] - want[1]).max() > 1e-3  # but only what is alike


def test_unless_told_so_sentences_start_as_they_like() -> None:
    tokens = np.array([[3, 4, 9], [5, 4, 9], [6, 7, 9]], np.int32)
    tolerance.assert_close(text(tokens), np.concatenate([text(row[None]) for row in tokens]), atol=1e-6)


def test_gradients_of_shared_tokens_add_up() -> None:
    tokens = tokenize(["a photo of a cat", "a photo of the sky"], 8)

    def energy(params: dict, alike: int) -> jax.Array:
        return (MODEL.text_encoder.apply({"params": params}, tokens, alike) ** 2).sum()

    once, apart = (jax.jit(jax.grad(energy), static_argnums=1)(CLIP["text"], alike) for alike in (4, 0))
    tolerance.assert_close(once, apart, atol=1e-3, rtol=1e-4)


def test_pictures_of_any_size() -> None:
    pictures = jax.random.uniform(jax.random.key(1), (2, 48, 24, 3)) * 255
    assert image(pictures).shape == (2, 6, 3, 16)
    tolerance.assert_close(image(pictures)[1:], image(pictures[1:]), atol=1e-5)


def test_bfloat16_rounds_what_blocks_add_and_not_what_they_add_to() -> None:
    """With tokens of bfloat16 between blocks the features of twelve would be off by 0.0088."""
    pictures = jax.random.randint(jax.random.key(0), (1, 384, 384, 3), 0, 256).astype(jnp.uint8)

    def features(dtype: str) -> np.ndarray:
        config = mini()
        model = Model(dataclasses.replace(config, model=dataclasses.replace(config.model, dtype=dtype)))
        dense = np.asarray(jax.jit(model.encode_image)(mini_params()["clip"], pictures).dense)
        assert dense.dtype == np.float32
        return dense / np.linalg.norm(dense, axis=-1, keepdims=True)

    off = np.linalg.norm(features("bfloat16") - features("float32"), axis=-1).mean()
    assert 0 < off < 0.007


def test_pixels_are_normalised_with_clips_statistics() -> None:
    mean = jnp.broadcast_to(jnp.array([122.7709383, 116.7460125, 104.09373615]), (1, 24, 24, 3))
    zero_patches = CLIP["image"] | {"patch_embedding": 0 * CLIP["image"]["patch_embedding"]}
    apply = jax.jit(MODEL.image_encoder.apply)
    tolerance.assert_close(apply({"params": zero_patches}, mean).dense, image(mean), atol=1e-5)


def test_synonyms_are_averaged_by_owner() -> None:
    def features(tokens: np.ndarray, owner: list[int], classes: int) -> jax.Array:
        prompts = Prompts(tokens, np.array(owner, np.int32), classes, num_templates=1, shared_prefix_len=1)
        return jax.jit(MODEL.encode_text)(CLIP, prompts)[:, 0]

    cat, sky = features(TOKENS, [0, 1], 2)
    both = features(TOKENS, [0, 0], 1)[0]
    wanted = (cat + sky) / np.linalg.norm(cat + sky)
    tolerance.assert_close(both, wanted, atol=1e-5)
    padded = features(np.repeat(TOKENS, 2, 0), [0, 9, 1, 9], 2)
    tolerance.assert_close(padded, jnp.stack([cat, sky]), atol=1e-6)
