"""The exception for wrong input, and how messages quote names and values."""

from collections.abc import Iterable


class UserError(ValueError):
    """Wrong input: one sentence that names the thing, what was found, what is allowed and the fix.

    Commands print it on stderr without a traceback and exit with status 2.
    """


def printable(text: str) -> str:
    """Quotes text of a file for a message: one line of ASCII, at most 100 characters of the text."""
    return ascii(text[:100])[1:-1]


def one_line(text: str, max_length: int = 500) -> str:
    """Escapes control characters and other unprintable ones, and leaves out the middle of a long text."""
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    if len(text) <= max_length:
        return text
    return f"{text[: max_length // 2]} ... {text[-max_length // 2 :]}"


def some(items: Iterable[str]) -> str:
    """Joins up to three items; more are counted: "a, b, c, ... (1,234 in all)"."""
    items = list(items)
    joined = ", ".join(items[:3])
    return joined if len(items) <= 3 else f"{joined}, ... ({len(items):,} in all)"
