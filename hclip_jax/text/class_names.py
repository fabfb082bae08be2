"""Reads and checks lists of class names."""

import io
from collections.abc import Sequence
from pathlib import Path

from hclip_jax.errors import UserError, printable
from hclip_jax.io.paths import size_of, to_path
from hclip_jax.io.substitutes import substitute
from hclip_jax.text.class_list import parse_class_list
from hclip_jax.text.reading import Reading, reading, to_text

MAX_NAME_LENGTH = 1000
"""Characters of a class name with all its synonyms; the longest of ADE-847 has 113."""
_MAX_FILE_SIZE = 2**24  # bytes; 65,535 names of 250 letters


def check_class_names(names: Sequence[str], list_name: str, item: str = "name") -> tuple[str, ...]:
    """Returns the names without surrounding white space, after checking that each can name a class.

    Two names that CLIP reads as the same words, in all synonyms, are refused. Names that share only the first
    synonym are not: ADE-847 has "pot" and "pot, flowerpot", and `fill_templates` warns of them.

    Args:
        names: class names in the order of their ids.
        list_name: the name of the list in error messages: a path, a flag.
        item: the name of an entry in error messages: "name", "line".

    Raises:
        UserError: `names` is a string or empty, a name is no text, has several lines or over MAX_NAME_LENGTH
            characters, CLIP reads no letter or digit in it, or reads two names as the same words.
    """
    if isinstance(names, str):  # a sequence of characters, which is never intended
        quoted = f"'{printable(names)}'"
        raise UserError(f"{list_name} is the text {quoted}: give a list of names, [{quoted}]")
    names = list(names)
    if not names:
        raise UserError(f"{list_name} holds no class names: give at least one, for example 'cat'")
    number_by_reading: dict[Reading, int] = {}
    for number, name in enumerate(names, start=1):
        words = _read_name(name, f"{list_name}: {item} {number}")
        if words in number_by_reading:
            first = number_by_reading[words]
            raise UserError(_repeated(list_name, item, (first, names[first - 1]), (number, name), words))
        number_by_reading[words] = number
    return tuple(name.strip() for name in names)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Reads a class list: UTF-8 text in a form of `parse_class_list`; line n (from 0) names class id n.

    Raises:
        UserError: the file is unreadable, or `parse_class_list` or `check_class_names` refuses the list; the
            message has line numbers.
    """
    path = to_path(path)
    try:
        found = substitute(path)
        # An empty file is an empty list.
        if found and not (path.is_file() and size_of(path) == 0):
            raise UserError(f"the class list {path} {found}")
        if size_of(path) > _MAX_FILE_SIZE:
            raise UserError(
                f"the class list {path} has more than {_MAX_FILE_SIZE:,} bytes: give a text file with one "
                "class name a line"
            )
        # -sig: Windows editors write a BOM first
        text = io.TextIOWrapper(io.BytesIO(path.read_bytes()), encoding="utf-8-sig").read()
    except OSError as error:
        raise UserError(
            f"cannot read the class list {path} ({error.strerror}): it must be a text file with one class "
            "name a line"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"the class list {path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error
    return check_class_names(parse_class_list(text, str(path)), str(path), "line")


def _read_name(name: str, where: str) -> Reading:
    """The reading of a name in all synonyms, after checking that it can name a class."""
    if not isinstance(name, str):
        raise UserError(f"{where} is {printable(repr(name))}, but a class name is text: write it in quotes")
    name = name.strip()
    quoted = f"'{printable(name)}'"
    if len(name) > MAX_NAME_LENGTH:
        raise UserError(
            f"{where} is {quoted}... and has {len(name):,} characters, but a class name has at most "
            f"{MAX_NAME_LENGTH:,}: shorten it"
        )
    if "\n" in name or "\r" in name:
        raise UserError(f"{where} is {quoted}, which has several lines: give each class as a name of its own")
    if not any(character.isalnum() for character in name):
        raise _without_letters(where, quoted)
    try:
        words = reading(name)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    for synonym in words:
        if not any(character.isalnum() for word in synonym for character in word):
            raise _without_letters(where, f"{quoted}, which CLIP reads as {to_text((synonym,))}")
    return words


def _without_letters(where: str, found: str) -> UserError:
    return UserError(
        f"{where} is {found}, but a class name needs a letter or a digit: name the class or remove the entry"
    )


def _repeated(
    list_name: str, item: str, first: tuple[int, str], second: tuple[int, str], words: Reading
) -> str:
    """The sentence about two entries (number, name) of a list that CLIP reads as the same words."""
    names = [f"'{printable(name.strip())}'" for _, name in (first, second)]
    both = f"{item} {first[0]} and {item} {second[0]}"
    if names[0] == names[1]:
        found = f"{both} are both {names[0]}"
    else:
        found = f"{both} are {names[0]} and {names[1]}, which CLIP reads as the same words, {to_text(words)}"
    return f"{list_name}: {found}, but class names must be distinct: rename or remove one"
