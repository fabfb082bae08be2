import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.prompts import Prompts, make_prompts, pad_prompts
from hclip_jax.text.tokenizer import tokenize

NAMES = ("person, child, girl", "traffic light", "sky, clouds")
TEMPLATES = ("a photo of a {}", "a {} on the street")


def sentences(*texts, length):
    return tokenize(texts, length).tolist()


def prompts_of(
    class_names, templates=("A photo of a {} in the scene",), synonyms="first", context_length=77
) -> Prompts:
    return make_prompts(class_names, templates, synonyms, context_length)


def test_the_published_prompt_is_of_the_first_synonym():
    prompts = prompts_of(NAMES)
    assert prompts.tokens.tolist() == sentences(
        "A photo of a person in the scene",
        "A photo of a traffic light in the scene",
        "A photo of a sky in the scene",
        length=12,
    )
    assert prompts.segment_ids.tolist() == [0, 1, 2]
    assert (prompts.num_classes, prompts.num_templates) == (3, 1)
    assert prompts.tokens.dtype == prompts.segment_ids.dtype == np.int32


def test_order_is_class_then_template_then_synonym():
    prompts = prompts_of(NAMES, TEMPLATES, synonyms="mean")
    assert prompts.tokens.tolist() == sentences(
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
        length=8,
    )
    assert prompts.segment_ids.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 4, 4, 5, 5]
    assert (prompts.num_classes, prompts.num_templates) == (3, 2)


@pytest.mark.parametrize(("words", "length"), [(1, 4), (2, 4), (3, 8), (6, 8), (14, 16), (15, 18), (16, 18)])
def test_length_is_a_multiple_of_four_within_the_context(words, length):
    prompts = prompts_of(["a", "cat " * words], ["{}"], context_length=18)
    assert prompts.tokens.shape == (2, length)


def test_too_long_a_class_is_named():
    with pytest.raises(UserError, match=r"'(cat ?){19}' .*'\{\}' has 21 tokens.*at most 20"):
        prompts_of(["a", " ".join(["cat"] * 19)], ["{}"], context_length=20)


def test_braces_in_a_class_name_stay_as_they_are():
    assert prompts_of(["{a}"], ["{}"]).tokens.tolist() == sentences("{a}", length=8)


@pytest.mark.parametrize(
    ("names", "templates", "alike"),
    [
        (NAMES, ["a photo of a {}"], 5),
        (["cat"], ["a photo of a {}"], 5),  # the template's words and no more
        (["red cat", "red dog"], ["a photo of a {}"], 5),
        (NAMES, TEMPLATES, 2),
        (NAMES, ["{}"], 1),
        (["cat", "s"], ["a photo{}"], 2),  # what becomes of a word, its end decides
    ],
)
def test_sentences_start_alike(names, templates, alike):
    prompts = prompts_of(names, templates)
    assert prompts.shared_prefix_len == alike
    assert (prompts.tokens[:, :alike] == prompts.tokens[:1, :alike]).all()


@pytest.mark.parametrize("multiple", [1, 4, 8, 12, 13])
def test_padding_changes_no_class_prompt(multiple):
    prompts = prompts_of(NAMES, TEMPLATES, synonyms="mean")
    padded = pad_prompts(prompts, multiple)
    assert len(padded.tokens) == len(padded.segment_ids) == -(-12 // multiple) * multiple
    assert (padded.num_classes, padded.num_templates) == (3, 2)
    assert padded.tokens.dtype == padded.segment_ids.dtype == np.int32
    assert (padded.tokens[12:] == prompts.tokens[-1]).all()

    def mean(of):
        features = jnp.asarray(of.tokens, jnp.float32)
        total = jax.ops.segment_sum(features, of.segment_ids, num_segments=6)
        return total / jax.ops.segment_sum(jnp.ones_like(features), of.segment_ids, num_segments=6)

    np.testing.assert_array_equal(mean(padded), mean(prompts))


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
def test_bad_input_is_named(arguments, message):
    with pytest.raises(UserError, match=message):
        prompts_of(**{"class_names": NAMES, **arguments})
