import json
import random
from pathlib import Path

import pytest

from hclip_jax.datasets.package_files import class_names
from hclip_jax.errors import UserError
from hclip_jax.text import tokenizer
from hclip_jax.text.reading import describe, names_read_as, reading, same_readings, split_synonyms

SAME = [
    ("sky", "Sky"),
    ("traffic light", "traffic  light"),
    ("traffic light", "traffic\u00a0light"),
    ("caf\u00e9", "cafe\u0301"),
    ("R&D", "R&amp;D"),
    ("sky", "\uff33\uff2b\uff39"),
    ("fish", "\ufb01sh"),
    ("cat's paw", "cat\u2019s paw"),
    ("sky, clouds", "Sky,\u00a0 Clouds"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_with_the_same_tokens_have_the_same_reading(one: str, other: str) -> None:
    assert tokenizer.encode(one) == tokenizer.encode(other)
    for synonyms in ("first", "mean", "max", "all"):
        assert reading(one, synonyms) == reading(other, synonyms)


def test_words_are_the_same_exactly_if_the_tokens_are() -> None:
    cases = json.loads((Path(__file__).parents[1] / "parity" / "tokenizer.json").read_text("utf-8"))
    generator = random.Random(0)
    letters = "aA\u00e9e\u0301 &;\u00a0'st1\uff33\uff53-"
    texts = [case["text"] for case in cases] + [
        "".join(generator.choices(letters, k=generator.randrange(6))) for _ in range(3000)
    ]
    by_words, by_tokens = {}, {}
    for text in texts:
        by_words.setdefault(tokenizer.words(text), set()).add(text)
        by_tokens.setdefault(tuple(tokenizer.encode(text)), set()).add(text)
    assert list(by_words.values()) == list(by_tokens.values())
    assert len(by_words) < len(texts) - 100


def test_synonyms_that_are_not_used_are_not_compared() -> None:
    names = ["sky, clouds", "sky", "clouds, sky", "sea"]
    assert same_readings(names, "first") == [("sky, clouds", "sky")]
    assert same_readings(names, "mean") == [("sky, clouds", "clouds, sky")]
    assert same_readings(names, "all") == []
    assert describe(("Sky, clouds", "sky"), "first") == "'Sky, clouds' = 'sky' (read as 'sky')"


def test_names_read_as_others() -> None:
    names, others = ["Sky", "SEA", "lawn"], ["sky, clouds", "sea"]
    assert names_read_as(names, others, "first") == {"Sky", "SEA"}
    assert names_read_as(names, others, "mean") == {"SEA"}


@pytest.mark.parametrize(
    ("key", "verbatim", "first"),
    [
        ("ade20k_847", 52, 82),
        ("ade20k_150", 47, 47),
        ("pascal_context_459", 71, 71),
        ("pascal_context_59", 35, 35),
        ("pascal_voc_20", 14, 14),
    ],
)
def test_class_names_of_the_benchmarks_that_coco_stuff_has_too(key: str, verbatim: int, first: int) -> None:
    """The seen classes of each benchmark; in ADE-847, 30 more than names that are equal as text."""
    names, seen = class_names(key), class_names("coco_stuff_171")
    assert len(set(names) & set(seen)) == len(names_read_as(names, seen, "all")) == verbatim
    assert len(names_read_as(names, seen, "first")) == first
    as_written_by_others = [f" {name.upper().replace(' ', '  ')}" for name in seen]
    assert names_read_as(names, as_written_by_others, "first") == names_read_as(names, seen, "first")


def test_clip_reads_837_different_names_in_ade_847() -> None:
    names = class_names("ade20k_847")
    assert len({reading(name, "first") for name in names}) == 837
    groups = same_readings(names, "first")
    assert sum(len(group) - 1 for group in groups) == 10
    assert (len(groups), groups[-1]) == (9, ("patio", "patio, terrace"))
    assert same_readings(names, "mean") == []
    for key in ("coco_stuff_171", "ade20k_150", "pascal_context_59", "pascal_context_459", "pascal_voc_20"):
        assert same_readings(class_names(key), "first") == []


def test_split_synonyms() -> None:
    assert split_synonyms("building, edifice") == ["building", "edifice"]
    assert split_synonyms("building,\u00a0edifice") == ["building", "edifice"]
    assert split_synonyms("1,000 dollars") == ["1,000 dollars"]
    with pytest.raises(UserError, match="class 'cat, , dog' holds an empty synonym"):
        split_synonyms("cat, , dog")
