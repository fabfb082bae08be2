"""Reads and checks lists of class names."""

from collections.abc import Sequence
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.text.class_list import parse_class_list


def check_class_names(names: Sequence[str], list_name: str, item: str = "name") -> tuple[str, ...]:
    """Returns the names without surrounding white space, after checking that each can name a class.

    Args:
        names: class names in the order of their ids.
        list_name: the name of the list in error messages: a path, a flag.
        item: the name of an entry in error messages: "name", "line".

    Raises:
        UserError: `names` is a string or empty, a name has no letter or digit, or a name is repeated.
    """
    if isinstance(names, str):  # a sequence of characters, which is never intended
        raise UserError(f"{list_name} is the text {names!r}: give a list of names, [{names!r}]")
    if not names:
        raise UserError(f"{list_name} holds no class names: give at least one, for example 'cat'")
    number_by_name: dict[str, int] = {}
    for number, name in enumerate((name.strip() for name in names), start=1):
        if not any(character.isalnum() for character in name):
            raise UserError(
                f"{list_name}: {item} {number} is {name!r}, but a class name needs a letter or a digit: name "
                "the class or remove the entry"
            )
        if name in number_by_name:
            raise UserError(
                f"{list_name}: {item} {number_by_name[name]} and {item} {number} are both {name!r}, but "
                "class names must be distinct: rename or remove one"
            )
        number_by_name[name] = number
    return tuple(number_by_name)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Reads a class list: UTF-8 text in a form of `parse_class_list`; line n (from 0) names class id n.

    Raises:
        UserError: the file is unreadable, or `parse_class_list` or `check_class_names` refuses the list; the
            message has line numbers.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # -sig: Windows editors write a BOM first
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


def split_synonyms(name: str) -> list[str]:
    """Splits a class name into its synonyms, which are separated by ", ".

    Raises:
        UserError: a synonym is empty.
    """
    synonyms = [synonym.strip() for synonym in name.split(", ")]
    if not all(synonyms):
        raise UserError(f'class {name!r} holds an empty synonym; separate synonyms by one ", " each')
    return synonyms
