import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.text.prompts import Prompts, make_prompts, pad_prompts
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
