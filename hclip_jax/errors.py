"""The exception for wrong input, and how messages quote names and values."""

from collections.abc import Iterable


class UserError(ValueError):
    """Wrong input: one sentence that names the thing, what was found, what is allowed and the fix.

    Commands print it on stderr without a traceback and exit with status 2.
    """


def printable(text: str) -> str:
    """Quotes text of a file for a message: one line of ASCII, at most 100 characters of the text."""
    return ascii(text[:100])[1:-1]


def some(items: Iterable[str]) -> str:
    """Joins up to three items; more are counted: "a, b, c, ... (1,234 in all)"."""
    items = list(items)
    joined = ", ".join(items[:3])
    return joined if len(items) <= 3 else f"{joined}, ... ({len(items):,} in all)"
