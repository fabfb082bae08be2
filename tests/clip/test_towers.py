"""CLIP's towers: properties that hold whatever the weights."""

import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.clip.tokenizer import tokenize
from hclip_jax.model import Model
from tests import tolerance
from tests.models import micro

MODEL = Model(micro())
CLIP = jax.jit(MODEL.init)(jax.random.key(0))["clip"]
TOKENS = tokenize(["a photo of a cat", "sky"])


def text(tokens: np.ndarray) -> jax.Array:
    return jax.jit(MODEL.text_encoder.apply)({"params": CLIP["text"]}, tokens)


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


def test_pictures_of_any_size() -> None:
    pictures = jax.random.uniform(jax.random.key(1), (2, 48, 24, 3)) * 255
    assert image(pictures).shape == (2, 6, 3, 16)
    tolerance.assert_close(image(pictures)[1:], image(pictures[1:]), atol=1e-5)


def test_pixels_are_normalised_with_clips_statistics() -> None:
    mean = jnp.broadcast_to(jnp.array([122.7709383, 116.7460125, 104.09373615]), (1, 24, 24, 3))
    zero_patches = CLIP["image"] | {"patch_embedding": 0 * CLIP["image"]["patch_embedding"]}
    apply = jax.jit(MODEL.image_encoder.apply)
    tolerance.assert_close(apply({"params": zero_patches}, mean).dense, image(mean), atol=1e-5)


def test_synonyms_are_averaged_by_owner() -> None:
    features = jax.jit(MODEL.encode_text, static_argnums=3)
    cat, sky = features(CLIP, TOKENS, np.array([0, 1], np.int32), 2)[:, 0]
    both = features(CLIP, TOKENS, np.array([0, 0], np.int32), 1)[0, 0]
    wanted = (cat + sky) / np.linalg.norm(cat + sky)
    tolerance.assert_close(both, wanted, atol=1e-5)
    padded = features(CLIP, np.repeat(TOKENS, 2, 0), np.array([0, 9, 1, 9], np.int32), 2)
    tolerance.assert_close(padded[:, 0], jnp.stack([cat, sky]), atol=1e-6)
