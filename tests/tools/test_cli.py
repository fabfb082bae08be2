"""`hclip`: the table of commands, and the answers that need no JAX."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hclip_jax import __version__
from hclip_jax.errors import UserError
from hclip_jax.tools import cli
from tests.tools.calling import Capture, refuse, succeed

SLOW_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax", "matplotlib", "tensorflow_datasets")


def loaded_packages(*argv: str, cwd: Path) -> tuple[int, str, list[str]]:
    """Runs `hclip` in a process of its own; returns status, stderr and the slow packages it imported."""
    code = (
        "import json, sys; from hclip_jax.tools import cli; from hclip_jax.tools.command_line import run\n"
        "try: status = run(cli.main, sys.argv[1:], uses_jax=False)\n"
        "except SystemExit as error: status = error.code\n"
        f"print(json.dumps([name for name in {SLOW_PACKAGES} if name in sys.modules])); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], cwd=cwd, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr, json.loads(done.stdout.splitlines()[-1])


def test_help_lists_every_command_on_one_line(capsys: Capture) -> None:
    lines = succeed(cli.main, "--help", capture=capsys).splitlines()
    for name, command in cli.COMMANDS.items():
        assert f"{name} {command.summary}" in [" ".join(line.split()) for line in lines]
    assert max(map(len, lines)) <= 100


def test_version(capsys: Capture) -> None:
    assert succeed(cli.main, "--version", capture=capsys).startswith(f"hclip {__version__} (jax ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "no command is given; choose one of train, evaluate, segment"),
        (("trian",), "'trian' is not a command of hclip; did you mean train? (see hclip --help)"),
        (("xyz",), "'xyz' is not a command of hclip; the commands are train, evaluate, segment"),
        (("--config=tiny",), "'--config=tiny' is not a command"),
    ],
)
def test_unknown_commands_are_refused(argv: tuple[str, ...], message: str, capsys: Capture) -> None:
    assert message in refuse(cli.main, *argv, capture=capsys)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_a_main(name: str) -> None:
    with pytest.raises(UserError, match=f"see hclip {name} --help"):
        importlib.import_module(cli.COMMANDS[name].module).main(["--no_such_option"])


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_and_wrong_use_need_no_jax(name: str, tmp_path: Path) -> None:
    assert loaded_packages(name, "--help", cwd=tmp_path) == (0, "", [])
    status, err, packages = loaded_packages(name, "--no_such_option", cwd=tmp_path)
    assert (status, packages) == (2, [])
    assert err.startswith("error: --no_such_option is not an option")
    assert err.count("\n") == 1
