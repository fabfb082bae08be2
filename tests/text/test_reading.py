import json
import random
from pathlib import Path

import pytest

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


def test_split_synonyms() -> None:
    assert split_synonyms("building, edifice") == ["building", "edifice"]
    assert split_synonyms("building,\u00a0edifice") == ["building", "edifice"]
    assert split_synonyms("1,000 dollars") == ["1,000 dollars"]
    with pytest.raises(UserError, match="class 'cat, , dog' holds an empty synonym"):
        split_synonyms("cat, , dog")
