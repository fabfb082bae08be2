"""What the commands of this package share: how they refuse and how they end."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from hclip_jax.errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations that raises UserError for wrong usage, and keeps its help's lines."""

    def __init__(self, *, prog: str, description: str) -> None:
        """Takes the command's name and, as its description, usually the docstring of its module."""
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raises UserError instead of leaving the process."""
        raise UserError(f"{message} (see --help)")


def run(main: Callable[[list[str]], int], argv: list[str], interrupted: str = "interrupted") -> int:
    """Runs a command and returns its exit status: 2 for a UserError, 130 when interrupted.

    Args:
        main: the command; gets argv, returns its own exit status.
        argv: the arguments as `main` takes them.
        interrupted: what is said when the user interrupts it.
    """
    try:
        return main(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
