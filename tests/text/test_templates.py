import re

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.templates import TokenizedPrompts, fill_templates
from hclip_jax.text.tokenizer import tokenize

CLASS_NAMES = ("person, child, girl", "traffic light", "sky, clouds")
TEMPLATES = ("a photo of a {}", "a {} on the street")


def fill(
    class_names, templates=("A photo of a {} in the scene",), synonyms="first", context_length=77
) -> TokenizedPrompts:
    return fill_templates(class_names, templates, synonyms, context_length)


def test_published_prompt_of_the_first_synonym():
    prompts = fill(CLASS_NAMES)
    expected = [
        "A photo of a person in the scene",
        "A photo of a traffic light in the scene",
        "A photo of a sky in the scene",
    ]
    np.testing.assert_array_equal(prompts.tokens, tokenize(expected, 12))
    assert prompts.segment_ids.tolist() == [0, 1, 2]
    assert prompts.tokens.dtype == prompts.segment_ids.dtype == np.int32


def test_order_is_class_then_template_then_synonym():
    prompts = fill(CLASS_NAMES, TEMPLATES, synonyms="mean")
    expected = [
        "a photo of a person",
        "a photo of a child",
        "a photo of a girl",
        "a person on the street",
        "a child on the street",
        "a girl on the street",
        "a photo of a traffic light",
        "a traffic light on the street",
        "a photo of a sky",
        "a photo of a clouds",
        "a sky on the street",
        "a clouds on the street",
    ]
    np.testing.assert_array_equal(prompts.tokens, tokenize(expected, 8))
    assert prompts.segment_ids.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 5]


@pytest.mark.parametrize(
    ("num_words", "length"), [(1, 4), (2, 4), (3, 8), (6, 8), (14, 16), (15, 18), (16, 18)]
)
def test_length_is_a_multiple_of_4_up_to_the_context_length(num_words, length):
    prompts = fill(["a", "cat " * num_words], ["{}"], context_length=18)
    assert prompts.tokens.shape == (2, length)


def test_names_that_clip_reads_as_the_same_words_are_warned_of():
    names = ["sky, clouds", "sea", "Sky", "pot, flowerpot", "pot"]
    message = re.escape(
        "'sky, clouds' = 'Sky' (read as 'sky'), 'pot, flowerpot' = 'pot' (read as 'pot'); rename"
    )
    with pytest.warns(UserWarning, match=f'the same words .*: {message} all but one, or use synonyms "mean"'):
        prompts = fill(names)
    np.testing.assert_array_equal(prompts.tokens[0], prompts.tokens[2])
    fill(names, synonyms="mean")  # warnings are errors


def test_class_name_that_is_too_long_is_named():
    with pytest.raises(UserError, match=r"'(cat ?){19}' .*'\{\}' has 21 tokens.*at most 20"):
        fill(["a", " ".join(["cat"] * 19)], ["{}"], context_length=20)


def test_braces_in_a_class_name_are_not_a_placeholder():
    np.testing.assert_array_equal(fill(["{a}"], ["{}"]).tokens, tokenize(["{a}"], 8))


@pytest.mark.parametrize(
    ("class_names", "templates", "shared_prefix_len"),
    [
        (CLASS_NAMES, ["a photo of a {}"], 5),
        (["cat"], ["a photo of a {}"], 5),  # tokens of the template only
        (["red cat", "red dog"], ["a photo of a {}"], 5),
        (CLASS_NAMES, TEMPLATES, 2),
        (CLASS_NAMES, ["{}"], 1),
        (["cat", "s"], ["a photo{}"], 2),  # the class name changes the tokens of the word before it
    ],
)
def test_shared_prefix(class_names, templates, shared_prefix_len):
    prompts = fill(class_names, templates)
    assert prompts.shared_prefix_len == shared_prefix_len
    assert (prompts.tokens[:, :shared_prefix_len] == prompts.tokens[:1, :shared_prefix_len]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_names": []}, "class_names"),
        ({"class_names": ["cat", " "]}, "class_names"),
        ({"class_names": ["cat", "dog", "cat"]}, "'cat'"),
        ({"class_names": ["cat, , dog"]}, "'cat, , dog' holds an empty synonym"),
        ({"class_names": [", cat"]}, "', cat' holds an empty synonym"),
        ({"templates": []}, "templates is empty"),
        ({"templates": ["a photo of {}", "a photo"]}, "'a photo' holds .* 0 times"),
        ({"templates": ["{} and {}"]}, r"'\{\} and \{\}' holds .* 2 times"),
        ({"synonyms": "all"}, "'all'.*first.*mean"),
    ],
)
def test_invalid_arguments_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        fill(**{"class_names": CLASS_NAMES, **arguments})
