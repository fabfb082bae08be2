"""Commands called as a shell calls them."""

from collections.abc import Callable

import pytest

from hclip_jax.io.command_line import run

Capture = pytest.CaptureFixture[str]
Command = Callable[[list[str]], int]


def succeed(command: Command, *argv: object, capture: Capture) -> str:
    """What a command prints that does what it is asked."""
    assert run(command, [str(arg) for arg in argv]) == 0
    out, err = capture.readouterr()
    assert err == ""
    return out


def refuse(command: Command, *argv: object, capture: Capture) -> str:
    """The one sentence that a command must end with."""
    assert run(command, [str(arg) for arg in argv]) == 2
    out, err = capture.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err
