import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.text.prompts import Prompts, average_templates, make_prompts, pad_classes, pad_prompts
from hclip_jax.text.templates import fill_templates

CLASS_NAMES = ("person, child, girl", "traffic light", "sky, clouds")
TEMPLATES = ("a photo of a {}", "a {} on the street")


def test_prompts_are_the_filled_templates():
    prompts = make_prompts(CLASS_NAMES, TEMPLATES, "mean", 77)
    expected = fill_templates(CLASS_NAMES, TEMPLATES, "mean", 77)
    np.testing.assert_array_equal(prompts.tokens, expected.tokens)
    np.testing.assert_array_equal(prompts.segment_ids, expected.segment_ids)
    assert prompts.shared_prefix_len == expected.shared_prefix_len
    assert (prompts.num_classes, prompts.num_templates) == (3, 2)


def test_prompts_are_a_pytree_of_two_arrays_with_static_sizes():
    prompts = make_prompts(CLASS_NAMES, TEMPLATES, "mean", 77)
    assert len(jax.tree.leaves(prompts)) == 2
    scaled = jax.jit(lambda p: jax.tree.map(lambda x: 2 * x, p))(prompts)
    assert (scaled.num_classes, scaled.num_templates, scaled.shared_prefix_len) == (3, 2, 2)


@pytest.mark.parametrize("multiple", [1, 4, 8, 12, 13])
def test_padding_changes_no_class_prompt(multiple):
    prompts = make_prompts(CLASS_NAMES, TEMPLATES, "mean", 77)
    padded = pad_prompts(prompts, multiple)
    assert len(padded.tokens) == len(padded.segment_ids) == -(-12 // multiple) * multiple
    assert (padded.num_classes, padded.num_templates) == (3, 2)
    assert padded.tokens.dtype == padded.segment_ids.dtype == np.int32
    assert (padded.tokens[12:] == prompts.tokens[-1]).all()

    def segment_mean(prompts: Prompts) -> jax.Array:
        features = jnp.asarray(prompts.tokens, jnp.float32)
        total = jax.ops.segment_sum(features, prompts.segment_ids, num_segments=6)
        count = jax.ops.segment_sum(jnp.ones_like(features), prompts.segment_ids, num_segments=6)
        return total / count

    np.testing.assert_array_equal(segment_mean(padded), segment_mean(prompts))


@pytest.mark.parametrize(
    ("count", "max_classes", "padded"),
    [
        (1, 256, 8),
        (8, 256, 8),
        (9, 256, 16),
        (64, 256, 64),
        (65, 256, 128),
        (171, 256, 192),
        (256, 256, 256),
        (257, 256, 320),
        (5, 6, 6),
        (6, 6, 6),
        (7, 6, 8),
    ],
)
def test_lists_of_similar_lengths_are_padded_to_one(count, max_classes, padded):
    names = [f"thing {t}" for t in range(count)]
    prompts = make_prompts(names, TEMPLATES, "mean", 15)
    result = pad_classes(prompts, max_classes, 15)
    assert (result.num_classes, result.num_templates) == (padded, 2)
    assert result.tokens.shape[0] >= 2 * count
    assert result.tokens.shape[1] in (8, 15)
    assert (result.tokens.shape, result.tokens.dtype) == (
        (len(result.segment_ids), result.tokens.shape[1]),
        np.int32,
    )
    # The class prompts are the same, and no row belongs to a padded class.
    rows, length = prompts.tokens.shape
    np.testing.assert_array_equal(result.tokens[:rows, :length], prompts.tokens)
    assert not result.tokens[:, length:].any()
    np.testing.assert_array_equal(result.segment_ids[:rows], prompts.segment_ids)
    assert (result.segment_ids[rows:] == padded * 2).all()


def test_averaged_templates_are_one() -> None:
    prompts = make_prompts(["cat", "road, street"], ["a {}", "the {} there"], "mean", 77)
    averaged = average_templates(prompts)
    assert averaged.segment_ids.tolist() == [0, 0, 1, 1, 1, 1]
    assert (averaged.num_classes, averaged.num_templates) == (2, 1)
    np.testing.assert_array_equal(averaged.tokens, prompts.tokens)
