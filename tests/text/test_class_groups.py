"""From names to phrases, and from what is found for phrases back to names."""

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.class_groups import BACKGROUND, SYNONYMS, ClassGroups, group_class_names

NAMES = ["zebra", "sky, clouds", "cat", "road, street, highway"]


@pytest.mark.parametrize("synonyms", SYNONYMS)
def test_classes_are_the_names_in_their_order(synonyms: str) -> None:
    assert group_class_names(NAMES, (), synonyms).class_names == tuple(NAMES)
    assert group_class_names(NAMES[::-1], (), synonyms).class_names == tuple(NAMES[::-1])


@pytest.mark.parametrize("synonyms", ["first", "mean"])
def test_one_phrase_a_name_whose_synonyms_the_text_tower_sees_to(synonyms: str) -> None:
    vocabulary = group_class_names(NAMES, (), synonyms)
    assert vocabulary.phrases == tuple(NAMES)
    assert vocabulary.synonyms == synonyms
    probabilities = np.random.default_rng(0).random((4, 2, 3), np.float32)
    np.testing.assert_array_equal(vocabulary.to_class_probabilities(probabilities), probabilities)
    np.testing.assert_array_equal(vocabulary.to_class_ids(np.array([[3, 0], [1, 2]])), [[3, 0], [1, 2]])


def test_max_asks_for_each_synonym() -> None:
    vocabulary = group_class_names(NAMES, (), "max")
    assert vocabulary.phrases == ("zebra", "sky", "clouds", "cat", "road", "street", "highway")
    assert vocabulary.synonyms == "first"  # no phrase has a synonym left
    np.testing.assert_array_equal(vocabulary.to_class_ids(np.arange(7)), [0, 1, 1, 2, 3, 3, 3])
    rows = vocabulary.to_class_probabilities(np.array([0.1, 0.2, 0.9, 0.3, 0.6, 0.5, 0.4], np.float32))
    np.testing.assert_array_equal(rows, np.array([0.1, 0.9, 0.3, 0.6], np.float32))


@pytest.mark.parametrize("synonyms", SYNONYMS)
def test_the_background_is_one_more_class_the_last(synonyms: str) -> None:
    vocabulary = group_class_names(NAMES, ["wall", "floor, ground"], synonyms)
    assert vocabulary.class_names == (*NAMES, BACKGROUND)
    own = [vocabulary.phrases[p] for p in vocabulary.members[-1]]
    assert own == (["wall", "floor", "ground"] if synonyms == "max" else ["wall", "floor, ground"])
    assert (vocabulary.to_class_ids(np.array(vocabulary.members[-1])) == 4).all()
    probabilities = np.zeros((len(vocabulary.phrases), 1), np.float32)
    probabilities[-1] = 0.5
    np.testing.assert_array_equal(vocabulary.to_class_probabilities(probabilities)[:, 0], [0, 0, 0, 0, 0.5])


def test_a_phrase_of_two_classes_is_asked_once_and_is_the_firsts() -> None:
    vocabulary = group_class_names(["sky, air", "air, wind", "sea"], ["sea", "air", "sand"], "max")
    assert vocabulary.phrases == ("sky", "air", "wind", "sea", "sand")
    np.testing.assert_array_equal(vocabulary.to_class_ids(np.arange(5)), [0, 0, 1, 2, 3])


LABEL_SETS = [
    group_class_names(NAMES),
    group_class_names(NAMES, ["wall", "sky, clouds", "floor"]),
    group_class_names(NAMES, ["wall", "sky", "floor"], "max"),
    group_class_names(["sky, air", "air, wind", "wind, sea", "sea, sky"], ["sea"], "max"),
    group_class_names(["air, air", "air"], (), "max"),
]


@pytest.mark.parametrize("vocabulary", LABEL_SETS)
def test_the_class_of_the_best_phrase_is_the_best_class(vocabulary: ClassGroups) -> None:
    probabilities = np.random.default_rng(0).random((len(vocabulary.phrases), 50, 40), np.float32)
    classes = vocabulary.to_class_probabilities(probabilities)
    assert classes.shape == (len(vocabulary.class_names), 50, 40)
    ids = vocabulary.to_class_ids(probabilities.argmax(axis=0))
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, classes.argmax(axis=0))
    np.testing.assert_array_equal(probabilities.max(axis=0), classes.max(axis=0))


@pytest.mark.parametrize(
    ("classes", "background", "synonyms", "message"),
    [
        ([], [], "first", "the class list holds no class names"),
        (["cat", " "], [], "first", r"the class list: name 2 is ''"),
        (["cat", "dog", "cat "], [], "first", r"the class list: name 1 and name 3 are both 'cat'"),
        (["cat"], ["wall", "wall"], "first", r"the background list: name 1 and name 2 are both 'wall'"),
        (["cat", "background"], ["wall"], "first", r"the class list holds 'background'.*rename the class"),
        (["cat, , dog"], [], "max", r"'cat, , dog' holds an empty synonym"),
        (["cat"], [], "all", r"synonyms is 'all'; it must be one of first, mean, max"),
        ("cat", [], "first", r"the class list is the text 'cat': give a list of names, \['cat'\]"),
        (["cat"], "wall", "first", r"the background list is the text 'wall'"),
    ],
)
def test_refusals(classes: list[str], background: list[str], synonyms: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        group_class_names(classes, background, synonyms)


def test_a_class_may_be_called_background_where_no_list_is() -> None:
    assert group_class_names(["cat", "background"]).class_names == ("cat", "background")
