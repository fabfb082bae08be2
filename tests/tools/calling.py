"""Calls commands as the console script does."""

from collections.abc import Callable

import pytest

from hclip_jax.tools.command_line import run

Capture = pytest.CaptureFixture[str]
Command = Callable[[list[str]], int]


def succeed(command: Command, *argv: object, capture: Capture) -> str:
    """Runs a command that must succeed, and returns what it prints."""
    assert run(command, [str(arg) for arg in argv]) == 0
    out, err = capture.readouterr()
    assert err == ""
    return out


def refuse(command: Command, *argv: object, capture: Capture) -> str:
    """Runs a command that must refuse its arguments, and returns the sentence on stderr."""
    assert run(command, [str(arg) for arg in argv]) == 2
    out, err = capture.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err
