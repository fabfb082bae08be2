import pickle

import numpy as np
import pytest

from hclip_jax.data.scenes.label_sets import COMPOSITIONS, STUFF, THING, UNSEEN
from hclip_jax.data.scenes.shapes import SHAPES
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError


def class_name(composition: tuple[str, str]) -> str:
    return " ".join((*composition, THING))


UNSEEN_NAMES = set(map(class_name, UNSEEN))


def visible_classes(source: ScenesSource, num_scenes: int) -> set[str]:
    ids = set().union(*(np.unique(source[index]["label"]).tolist() for index in range(num_scenes)))
    return {source.class_names[t] for t in ids - {IGNORE}}


def test_shapes_and_dtypes_of_examples() -> None:
    source = ScenesSource("train")
    for index in range(20):
        example = source[index]
        height, width = example["label"].shape
        assert example["image"].shape == (height, width, 3)
        assert 160 <= min(height, width) <= 224
        assert max(height, width) <= 320
        assert (example["image"].dtype, example["label"].dtype) == (np.uint8, np.int32)
        assert example["image"].std() > 10
        assert (np.bincount(example["label"].ravel())[: len(STUFF)] > 0).sum() == 2


def test_scenes_are_functions_of_split_and_index() -> None:
    source = ScenesSource("val")
    copy = pickle.loads(pickle.dumps(source))
    for index in (5, 0, 5):
        np.testing.assert_array_equal(source[index]["image"], copy[index]["image"])
        np.testing.assert_array_equal(source[index]["label"], copy[index]["label"])
    others = (source[6], ScenesSource("test")[5])
    assert all(
        source[5]["image"].shape != other["image"].shape or (source[5]["image"] != other["image"]).any()
        for other in others
    )
    assert len({source[index]["name"] for index in range(64)}) == len(source) == 64


def test_train_split_shows_all_compositions_but_the_unseen() -> None:
    visible = visible_classes(ScenesSource("train", "all"), 150)
    assert not visible & UNSEEN_NAMES
    assert visible == set(ScenesSource("train", "seen").class_names)


def test_train_split_shows_every_pattern_and_colour() -> None:
    seen = set(COMPOSITIONS) - set(UNSEEN)
    assert {pattern for pattern, _ in seen} == {pattern for pattern, _ in COMPOSITIONS}
    assert {colour for _, colour in seen} == {colour for _, colour in COMPOSITIONS}


@pytest.mark.parametrize("split", ["val", "test"])
def test_other_splits_show_each_composition_in_turn(split: str) -> None:
    source = ScenesSource(split, "all")
    assert source.class_names == STUFF + tuple(map(class_name, COMPOSITIONS))
    for index in range(64):
        topmost = len(STUFF) + index % len(COMPOSITIONS)
        assert (source[index]["label"] == topmost).sum() > 100


def test_label_sets_name_the_same_pixels() -> None:
    label_sets = ("seen", "all", "shapes", "synonyms")
    seen, everything, shapes, synonyms = (ScenesSource("val", label_set) for label_set in label_sets)
    num_ignored = 0
    for index in range(30):
        example = everything[index]
        names = np.array([*everything.class_names, ""])[example["label"]]
        seen_names = np.array([*seen.class_names, "unseen"])[seen[index]["label"]]
        expected = np.where(np.isin(names, list(UNSEEN_NAMES)), "unseen", names)
        np.testing.assert_array_equal(seen_names, expected)
        shape_names = np.array([*shapes.class_names, ""])[shapes[index]["label"]]
        synonym_names = np.array(synonyms.class_names)[synonyms[index]["label"]]
        for name in np.unique(names):
            in_shapes = set(shape_names[names == name])
            assert in_shapes == {name} if name in STUFF else in_shapes <= set(SHAPES)
            assert len(set(synonym_names[names == name])) == 1
        assert not set(names.ravel()) & set(synonym_names.ravel())
        for other in (seen, shapes, synonyms):
            np.testing.assert_array_equal(other[index]["image"], example["image"])
        num_ignored += (seen_names == "unseen").sum()
    assert num_ignored > 0


def test_labels_match_the_colours_of_the_image() -> None:
    source = ScenesSource("val", "all")
    pixels_by_colour: dict[str, list[np.ndarray]] = {"red": [], "green": [], "blue": []}
    for index in range(64):
        example = source[index]
        for colour, pixels in pixels_by_colour.items():
            ids = [i for i, name in enumerate(source.class_names) if colour in name.split()]
            pixels.append(example["image"][np.isin(example["label"], ids)])
    for channel, pixels in enumerate(pixels_by_colour.values()):
        assert (np.concatenate(pixels).argmax(axis=-1) == channel).mean() > 0.97


def test_length_and_index_error() -> None:
    source = ScenesSource("train", num_scenes=3)
    assert len(source) == 3
    assert len({source[index]["name"] for index in range(3)}) == 3
    with pytest.raises(IndexError):
        source[3]


@pytest.mark.parametrize("arguments", [("holdout", "seen"), ("val", "everything")])
def test_choices_are_listed(arguments: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=r"(train, val, test|seen, all, shapes, regrouped, synonyms)$"):
        ScenesSource(*arguments)
