"""The one exception for what a caller got wrong, and how it quotes what it found."""


class UserError(ValueError):
    """Bad input: one sentence that names the thing, what was found, what is allowed and the fix.

    The command line prints it without a traceback and exits with status 2.
    """


def shown(text: str) -> str:
    """Text of a file as part of a message: one line of ASCII, not long."""
    return ascii(text[:100])[1:-1]
