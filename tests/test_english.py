"""Docstrings, comments and error messages do without ten habits that an engineer has to decode."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]


class Habit(NamedTuple):
    """Words to avoid.

    Attributes:
        words: regular expression; a space matches any white space, ^ the start of a text.
        instead: replacement.
        reason: why.
        example: a text that has them.
    """

    words: str
    instead: str
    reason: str
    example: str


HABITS = (
    Habit(r"\bpictures?\b", "image", "the field's word", "All pictures of a split."),
    Habit(
        r"\b(told|tells?)\b(?! apart|\()",
        "gives, states",
        "data does not speak",
        "It tells the size.",
    ),
    Habit(
        r"\bhears? (of|about)\b",
        "depends on, gets, mixes",
        "data does not listen",
        "A block hears of all layers.",
    ),
    Habit(r"\balike\b", "both, the same, equally", "it hides what is equal to what", "All classes alike."),
    Habit(r"\bfor good\b", "permanently, or nothing", "a filler", "The file stays for good."),
    Habit(r"\bat once\b", "together, immediately", "it has both meanings", "All classes at once."),
    Habit(r"\banew\b", "again", "not in use", "The backward pass computes it anew."),
    Habit(
        r"(?<!multiplied\s)(?<!divided\s)\bby (itself|themselves)\b",
        "alone, independently, automatically",
        "it has three meanings",
        "Treats every class by itself.",
    ),
    Habit(
        r"\bas (it|they) (is|are|was|were)(?=[.,;:)]|$)",
        "unchanged, or nothing",
        "a filler",
        "0 leaves S as it is.",
    ),
    Habit(r"^(What|Of) ", "the noun first", "the thing has a name", "What a layer adds."),
)


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.instead)
def test_a_habit_is_found_and_its_replacement_is_none(habit: Habit) -> None:
    assert [found for found, _ in _find(habit.example)] == [habit]
    assert not list(_find(habit.instead))


def test_words_may_be_in_two_lines() -> None:
    assert [offset for _, offset in _find("It stays for\n    good.")] == [9]


def test_docstrings_comments_and_messages_are_searched() -> None:
    source = '"""A\npicture."""\nx = "picture"  # Of\n# 2\nraise UserError(f"{x} is no picture")\n'
    lines = [line + text.count("\n", 0, offset) for line, text in _texts(source) for _, offset in _find(text)]
    assert sorted(lines) == [2, 3, 5]


def test_the_package_and_its_configurations_have_none() -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{line + text.count(chr(10), 0, offset)}: "
        f"write {habit.instead} instead of {text[offset:].split(chr(10))[0][:30]!r} ({habit.reason})"
        for folder in ("hclip_jax", "configs")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, text in _texts(path.read_text())
        for habit, offset in _find(text)
    ]
    assert not problems, "\n" + "\n".join(problems)


def _find(text: str) -> Iterator[tuple[Habit, int]]:
    """The habits in a text, each with its offset."""
    for habit in HABITS:
        for match in re.finditer(habit.words.replace(" ", r"\s+"), text):
            yield habit, match.start()


def _texts(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings, blocks of comments and messages of UserError, each with its first line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(ast.Constant(str() as text)):
                yield node.lineno, text
            case ast.Call(ast.Name("UserError"), arguments):
                parts = [part for argument in arguments for part in ast.walk(argument)]
                strings = [part.value for part in parts if isinstance(part, ast.Constant)]
                yield node.lineno, " ".join(map(str, strings))
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if block and token.start[0] != last + 1:
                yield last - len(block) + 1, "\n".join(block)
                block = []
            block.append(token.string.removeprefix("#").removeprefix(" "))
            last = token.start[0]
    if block:
        yield last - len(block) + 1, "\n".join(block)
