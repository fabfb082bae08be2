"""The words that CLIP reads in a class name. Names with the same words are the same class to CLIP."""

from collections.abc import Iterable, Sequence

from hclip_jax.errors import UserError, printable, some

Reading = tuple[tuple[str, ...], ...]
"""The words of each synonym."""


def split_synonyms(name: str) -> list[str]:
    """Splits a class name into its synonyms, which are separated by a comma and white space.

    Raises:
        UserError: a synonym is empty.
    """
    # Not only ", ": lists from web pages have no-break spaces, which look the same.
    synonyms = [part.strip() for part in "".join(" " if c.isspace() else c for c in name).split(", ")]
    if not all(synonyms):
        raise UserError(
            f"class '{printable(name)}' holds an empty synonym: separate synonyms by one \", \" each"
        )
    return synonyms


def reading(name: str, synonyms: str = "all") -> Reading:
    """The words that CLIP's text tower is asked for: equal for two names if all their tokens are.

    Every comparison of class names is one of their readings. CLIP reads lower case, and the same in "R&amp;D"
    and "R&D", in full-width and other letters, composed and combined accents, one blank and several.

    Args:
        name: a class name; it may hold synonyms.
        synonyms: "first" = only the first is asked for; "mean" or "max" = all are, and their order has no
            effect; "all" = all of them in their order: names of one such reading are equal in every case.

    Returns:
        The words of each synonym, without the prompt's template.

    Raises:
        UserError: a synonym is empty, or a word is too long for the tokenizer.
    """
    from hclip_jax.text import tokenizer  # here, because --help needs no tokenizer

    words = [tokenizer.words(synonym) for synonym in split_synonyms(name)]
    if synonyms == "first":
        return (words[0],)
    return tuple(words if synonyms == "all" else sorted(set(words)))


def to_text(words: Reading) -> str:
    """A reading for a message, such as 'sky, clouds'."""
    return f"'{printable(', '.join(map(' '.join, words)))}'"


def names_read_as(names: Iterable[str], others: Iterable[str], synonyms: str) -> set[str]:
    """The names that have the reading of one of `others`."""
    readings = {reading(name, synonyms) for name in others}
    return {name for name in names if reading(name, synonyms) in readings}


def same_readings(names: Sequence[str], synonyms: str) -> list[tuple[str, ...]]:
    """The groups of two or more names that have the same reading, in the order of their first names."""
    groups: dict[Reading, list[str]] = {}
    for name in names:
        groups.setdefault(reading(name, synonyms), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def describe(group: Sequence[str], synonyms: str) -> str:
    """A group of `same_readings` for a message, such as "'sky' = 'sky, clouds' (read as 'sky')"."""
    names = " = ".join(f"'{printable(name)}'" for name in group[:3]) + (" = ..." if len(group) > 3 else "")
    return f"{names} (read as {to_text(reading(group[0], synonyms))})"


def describe_all(groups: Sequence[Sequence[str]], synonyms: str) -> str:
    """Up to three groups of `same_readings` for a message."""
    return some(describe(group, synonyms) for group in groups)
