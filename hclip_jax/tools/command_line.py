"""Argument parsing and exit statuses that all commands share."""

import argparse
import difflib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TextIO

from hclip_jax import runtime
from hclip_jax.errors import UserError, printable

OVERRIDE = "--config."
"""Prefix of the arguments that change a field of a configuration."""


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations that raises UserError for wrong use."""

    def __init__(self, *, prog: str, description: str | None) -> None:
        """Creates a parser.

        Args:
            prog: the command, such as "hclip train".
            description: the text of --help, usage included, printed line by line; the docstring of
                the module.
        """
        super().__init__(
            prog=prog,
            usage=argparse.SUPPRESS,  # the description says it better
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """The value of an option by its `type`, whose UserError is a whole sentence.

        A UserError is a ValueError, from which argparse would make "invalid TYPE value".
        """
        try:
            return super()._get_value(action, arg_string)  # pyrefly: ignore[missing-attribute]
        except argparse.ArgumentError as error:
            if isinstance(error.__context__, UserError):
                raise error.__context__ from None
            raise

    def parse_args(self, args: Sequence[str], namespace: None = None) -> argparse.Namespace:  # type: ignore[override]
        """Parses arguments; an unknown option is reported before a missing one.

        Raises:
            UserError: an argument is unknown, missing or has a wrong value.
        """
        options = [option for action in self._actions for option in action.option_strings]
        for argument in args:
            name = argument.partition("=")[0]
            if name.startswith("--") and name not in options:
                near = difflib.get_close_matches(name, options, n=1)
                self.error(f"{name} is not an option{f'; did you mean {near[0]}?' if near else ''}")
            if not argument or (argument.endswith("=") and name in options):
                self.error(f"{name or 'an argument'} is empty; give a value")
        return super().parse_args(args)

    def parse_with_overrides(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Parses `argv` without its overrides `--config.FIELD=VALUE`.

        Returns:
            The parsed arguments, and the overrides for `hclip_jax.config.overrides`.

        Raises:
            UserError: an argument is unknown, missing or has a wrong value.
        """
        # They are taken out before argparse, which treats an argument with a space as a positional one.
        overrides = [argument for argument in argv if argument.startswith(OVERRIDE)]
        for override in overrides:
            if "=" not in override:
                self.error(f"{override} has no value; give {override}=VALUE")
        return self.parse_args([argument for argument in argv if argument not in overrides]), overrides

    def add_checkpoint(self) -> None:
        """Adds --checkpoint, which selects one of a work directory."""
        self.add_argument(
            "--checkpoint",
            type=_step,
            metavar="STEP|best",
            help="checkpoint of a work directory by its step, or the best (default: the newest)",
        )

    def error(self, message: str) -> NoReturn:
        """Raises UserError; argparse itself prints the usage and ends the process."""
        raise UserError(f"{message} (see {self.prog} --help)")


def _step(text: str) -> int | str:
    """A step, or "best"."""
    if text != "best" and not (text.isascii() and text.isdigit()):
        raise UserError(f"--checkpoint is '{printable(text)}'; it must be the step of a checkpoint, or best")
    return text if text == "best" else int(text)


def run(main: Callable[[list[str]], int], argv: list[str], *, uses_jax: bool = True) -> int:
    """Runs a command and returns its exit status: 2 for wrong input, 130 for an interruption.

    Warnings are one line on stderr each.

    Args:
        main: the command; takes `argv` and returns its exit status.
        argv: the arguments without the program's name.
        uses_jax: whether to call `runtime.prepare` first. JAX itself is imported by `main`, after it has
            checked the arguments, so that --help and errors need no JAX.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        return _run(main, argv, uses_jax)


def _run(main: Callable[[list[str]], int], argv: list[str], uses_jax: bool) -> int:
    try:
        if uses_jax:
            runtime.prepare()
            # Orbax logs every file it writes, and tracebacks of what is reported here in a sentence.
            logging.getLogger("absl").setLevel(logging.CRITICAL)
        return main(argv)
    except UserError as error:
        return _fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        return _fail(
            f"{os.fsdecode(error.filename)}: {error.strerror}; give a path that you may read and write"
        )
    except RuntimeError as error:
        if "Unable to initialize backend" not in str(error):
            raise
        return _fail(
            f"{' '.join(str(error).split())}; unset JAX_PLATFORMS, or install the JAX of that platform"
        )
    except KeyboardInterrupt as error:
        print(str(error) or "interrupted", file=sys.stderr)
        return 130


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Replaces `warnings.showwarning`, which also prints a line of code."""
    print(f"warning: {' '.join(str(message).split())[:500]}", file=sys.stderr)


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
