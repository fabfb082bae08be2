"""Lists of class names: reading them from a file and refusing those that cannot work."""

from collections.abc import Sequence
from pathlib import Path

from hclip_jax.errors import UserError


def check_class_names(names: Sequence[str], where: str, item: str = "name") -> tuple[str, ...]:
    """Returns the names without surrounding blanks, after checking that each can stand for a class.

    Args:
        names: class names in the order of their ids.
        where: what the list is called in messages: a path, a flag.
        item: what one entry is called in messages: "name", "line".

    Raises:
        UserError: no list, no names, a name without a letter or digit, or the same name twice.
    """
    if isinstance(names, str):  # a sequence of letters too, but nobody means those
        raise UserError(f"{where} is the text {names!r}: give a list of names, [{names!r}]")
    if not names:
        raise UserError(f"{where} holds no class names: give at least one, for example 'cat'")
    first: dict[str, int] = {}
    for number, name in enumerate((name.strip() for name in names), start=1):
        if not any(character.isalnum() for character in name):
            raise UserError(
                f"{where}: {item} {number} is {name!r}, but a class name needs a letter or a "
                "digit: name the class or remove the entry"
            )
        if name in first:
            raise UserError(
                f"{where}: {item} {first[name]} and {item} {number} are both {name!r}, but every "
                "class needs its own name: rename or remove one"
            )
        first[name] = number
    return tuple(first)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Reads a class list: UTF-8 text, one class a line; line n (from 0) names class id n.

    Raises:
        UserError: an unreadable file or a list that `check_class_names` refuses, with line numbers.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # -sig: Windows editors begin with a BOM
    except OSError as error:
        raise UserError(
            f"cannot read the class list {path} ({error.strerror}): it must be a text file with "
            "one class name a line"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"the class list {path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from error
    # Not str.splitlines, which also splits at characters that no editor counts as a line's end.
    return check_class_names(text.rstrip().split("\n") if text.strip() else [], str(path), "line")


def split_synonyms(name: str) -> list[str]:
    """The synonyms of a class name, which are separated by ", ".

    Raises:
        UserError: one of them is empty.
    """
    synonyms = [synonym.strip() for synonym in name.split(", ")]
    if not all(synonyms):
        raise UserError(f'Class {name!r} holds an empty synonym; separate synonyms by one ", " each.')
    return synonyms
