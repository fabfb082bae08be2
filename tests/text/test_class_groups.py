import re
import warnings

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.text.class_groups import BACKGROUND, SYNONYMS, ClassGroups, group_class_names

CLASS_NAMES = ["zebra", "sky, clouds", "cat", "road, street, highway"]


@pytest.mark.parametrize("synonyms", SYNONYMS)
def test_class_names_stay_in_order(synonyms: str) -> None:
    assert group_class_names(CLASS_NAMES, (), synonyms).class_names == tuple(CLASS_NAMES)
    assert group_class_names(CLASS_NAMES[::-1], (), synonyms).class_names == tuple(CLASS_NAMES[::-1])


@pytest.mark.parametrize("synonyms", ["first", "mean"])
def test_one_member_a_class_with_first_and_mean(synonyms: str) -> None:
    classes = group_class_names(CLASS_NAMES, (), synonyms)
    assert classes.members == tuple(CLASS_NAMES)
    assert classes.synonyms == synonyms
    probabilities = np.random.default_rng(0).random((4, 2, 3), np.float32)
    np.testing.assert_array_equal(classes.to_class_probabilities(probabilities), probabilities)
    np.testing.assert_array_equal(classes.to_class_ids(np.array([[3, 0], [1, 2]])), [[3, 0], [1, 2]])


def test_one_member_a_synonym_with_max() -> None:
    classes = group_class_names(CLASS_NAMES, (), "max")
    assert classes.members == ("zebra", "sky", "clouds", "cat", "road", "street", "highway")
    assert classes.groups == ((0,), (1, 2), (3,), (4, 5, 6))
    assert classes.synonyms == "first"  # members have no synonyms
    np.testing.assert_array_equal(classes.to_class_ids(np.arange(7)), [0, 1, 1, 2, 3, 3, 3])
    probabilities = np.array([0.1, 0.2, 0.9, 0.3, 0.6, 0.5, 0.4], np.float32)
    expected = np.array([0.1, 0.9, 0.3, 0.6], np.float32)
    np.testing.assert_array_equal(classes.to_class_probabilities(probabilities), expected)


@pytest.mark.parametrize("synonyms", SYNONYMS)
def test_background_is_the_last_class(synonyms: str) -> None:
    classes = group_class_names(CLASS_NAMES, ["wall", "floor, ground"], synonyms)
    assert classes.class_names == (*CLASS_NAMES, BACKGROUND)
    members = [classes.members[index] for index in classes.groups[-1]]
    assert members == (["wall", "floor", "ground"] if synonyms == "max" else ["wall", "floor, ground"])
    assert (classes.to_class_ids(np.array(classes.groups[-1])) == 4).all()
    probabilities = np.zeros((len(classes.members), 1), np.float32)
    probabilities[-1] = 0.5
    np.testing.assert_array_equal(classes.to_class_probabilities(probabilities)[:, 0], [0, 0, 0, 0, 0.5])


def without_warning(*arguments) -> ClassGroups:
    with warnings.catch_warnings(action="ignore"):
        return group_class_names(*arguments)


def test_member_of_several_classes_is_encoded_once_and_belongs_to_the_first() -> None:
    with pytest.warns(UserWarning, match="pixels belong to the classes: 'sea', 'air'; remove them"):
        classes = group_class_names(["sky, air", "air, wind", "sea"], ["sea", "air", "sand"], "max")
    assert classes.members == ("sky", "air", "wind", "sea", "sand")
    np.testing.assert_array_equal(classes.to_class_ids(np.arange(5)), [0, 0, 1, 2, 3])


CASES = [
    group_class_names(CLASS_NAMES),
    without_warning(CLASS_NAMES, ["wall", "sky, clouds", "floor"]),
    without_warning(CLASS_NAMES, ["wall", "sky", "floor"], "max"),
    without_warning(["sky, air", "air, wind", "wind, sea", "sea, sky"], ["sea"], "max"),
    without_warning(["air, air", "air"], (), "max"),
    without_warning(["sky, air", "Sky", "sea"], ["SEA", "sand"], "first"),
]


@pytest.mark.parametrize("classes", CASES)
def test_class_of_the_most_probable_member_is_the_most_probable_class(classes: ClassGroups) -> None:
    probabilities = np.random.default_rng(0).random((len(classes.members), 50, 40), np.float32)
    class_probabilities = classes.to_class_probabilities(probabilities)
    assert class_probabilities.shape == (len(classes.class_names), 50, 40)
    ids = classes.to_class_ids(probabilities.argmax(axis=0))
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, class_probabilities.argmax(axis=0))
    np.testing.assert_array_equal(probabilities.max(axis=0), class_probabilities.max(axis=0))


@pytest.mark.parametrize(
    ("class_names", "background", "synonyms", "message"),
    [
        ([], [], "first", "the class list holds no class names"),
        (["cat", " "], [], "first", r"the class list: name 2 is ''"),
        (["cat", "dog", "cat "], [], "first", r"the class list: name 1 and name 3 are both 'cat'"),
        (["cat"], ["wall", "wall"], "first", r"the background list: name 1 and name 2 are both 'wall'"),
        (["cat", "background"], ["wall"], "first", r"the class list holds 'background'.*rename the class"),
        (["cat, , dog"], [], "max", r"'cat, , dog' holds an empty synonym"),
        (["cat", "Background "], ["wall"], "first", "the class list holds 'Background'.*rename the class"),
        (["cat"], [], "all", r"synonyms is 'all'; it must be one of first, mean, max"),
        ("cat", [], "first", r"the class list is the text 'cat': give a list of names, \['cat'\]"),
        (["cat"], "wall", "first", r"the background list is the text 'wall'"),
    ],
)
def test_invalid_arguments_are_named(
    class_names: list[str], background: list[str], synonyms: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        group_class_names(class_names, background, synonyms)


@pytest.mark.parametrize(
    ("class_names", "synonyms", "hidden"),
    [
        (["sky, clouds", "Sky"], "first", "'Sky' (read as 'sky'); rename them, or use synonyms \"mean\""),
        (["sky, clouds", "sky"], "max", "'sky' (read as 'sky'); rename them, or use synonyms \"mean\""),
        (["sky, clouds", "clouds, sky"], "mean", "'clouds, sky' (read as 'clouds, sky'); rename them"),
    ],
)
def test_a_class_that_gets_no_pixel_is_warned_of(class_names, synonyms, hidden) -> None:
    with pytest.warns(UserWarning, match=re.escape(f"they get no pixel: {hidden}")):
        classes = group_class_names(class_names, (), synonyms)
    ids = classes.to_class_ids(np.arange(len(classes.members)))
    assert not ids.any()  # never to one class by rounding and to the other elsewhere


def test_a_background_name_that_clip_reads_as_a_class_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="'Sky', .*; remove them from the background list"):
        classes = group_class_names(["sky", "sea"], ["Sky", "wall", "Ｓｅａ"])
    assert classes.members == ("sky", "sea", "wall")
    np.testing.assert_array_equal(classes.to_class_ids(np.arange(3)), [0, 1, 2])


def test_class_may_be_named_background_without_a_background_list() -> None:
    assert group_class_names(["cat", "background"]).class_names == ("cat", "background")
