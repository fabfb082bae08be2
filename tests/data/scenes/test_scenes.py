import pickle

import numpy as np
import pytest

from hclip_jax.data.scenes.label_sets import COMPOSITIONS, STUFF, THING, UNSEEN
from hclip_jax.data.scenes.shapes import SHAPES
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError


def name(composition: tuple[str, str]) -> str:
    return " ".join((*composition, THING))


UNSEEN_NAMES = set(map(name, UNSEEN))


def names_shown(source: ScenesSource, count: int) -> set[str]:
    ids = set().union(*(np.unique(source[index]["label"]).tolist() for index in range(count)))
    return {source.class_names[index] for index in ids - {IGNORE}}


def test_examples_are_what_they_claim() -> None:
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


def test_a_scene_is_a_function_of_split_and_index() -> None:
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


def test_training_never_shows_the_unseen_but_all_else() -> None:
    shown = names_shown(ScenesSource("train", "all"), 150)
    assert not shown & UNSEEN_NAMES
    assert shown == set(ScenesSource("train", "seen").class_names)


def test_every_pattern_and_colour_is_seen_in_training() -> None:
    seen = set(COMPOSITIONS) - set(UNSEEN)
    assert {pattern for pattern, _ in seen} == {pattern for pattern, _ in COMPOSITIONS}
    assert {colour for _, colour in seen} == {colour for _, colour in COMPOSITIONS}


@pytest.mark.parametrize("split", ["val", "test"])
def test_evaluation_shows_each_composition_in_turn(split: str) -> None:
    source = ScenesSource(split, "all")
    assert source.class_names == STUFF + tuple(map(name, COMPOSITIONS))
    for index in range(64):
        shown = len(STUFF) + index % len(COMPOSITIONS)
        assert (source[index]["label"] == shown).sum() > 100


def test_vocabularies_name_the_same_pixels() -> None:
    names = ("seen", "all", "shapes", "synonyms")
    seen, everything, shapes, synonyms = (ScenesSource("val", name) for name in names)
    ignored = 0
    for index in range(30):
        example = everything[index]
        names = np.array([*everything.class_names, ""])[example["label"]]
        known = np.array([*seen.class_names, "unseen"])[seen[index]["label"]]
        np.testing.assert_array_equal(known, np.where(np.isin(names, list(UNSEEN_NAMES)), "unseen", names))
        folded = np.array([*shapes.class_names, ""])[shapes[index]["label"]]
        for shown in np.unique(names):
            there = set(folded[names == shown])
            assert there == {shown} if shown in STUFF else there <= set(SHAPES)
        other_words = np.array(synonyms.class_names)[synonyms[index]["label"]]
        assert all(len(set(other_words[names == shown])) == 1 for shown in np.unique(names))
        assert not set(names.ravel()) & set(other_words.ravel())
        for other in (seen, shapes, synonyms):
            np.testing.assert_array_equal(other[index]["image"], example["image"])
        ignored += (known == "unseen").sum()
    assert ignored > 0


def test_a_label_lies_where_its_colour_is() -> None:
    source = ScenesSource("val", "all")
    by_colour: dict[str, list[np.ndarray]] = {"red": [], "green": [], "blue": []}
    for index in range(64):
        example = source[index]
        for colour, pixels in by_colour.items():
            ids = [i for i, name in enumerate(source.class_names) if colour in name.split()]
            pixels.append(example["image"][np.isin(example["label"], ids)])
    for channel, pixels in enumerate(by_colour.values()):
        assert (np.concatenate(pixels).argmax(axis=-1) == channel).mean() > 0.97


def test_count_and_end() -> None:
    source = ScenesSource("train", count=3)
    assert len(list(source)) == len(source) == 3
    with pytest.raises(IndexError):
        source[3]


@pytest.mark.parametrize("arguments", [("holdout", "seen"), ("val", "everything")])
def test_unknown_choices_are_listed(arguments: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=r"(train, val, test|seen, all, shapes, regrouped, synonyms)$"):
        ScenesSource(*arguments)
