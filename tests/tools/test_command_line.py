"""Parsing and exit statuses of all commands."""

import os
import warnings
from pathlib import Path

import pytest

from hclip_jax import runtime
from hclip_jax.errors import UserError
from hclip_jax.main import main
from hclip_jax.tools.command_line import Parser, run


def run_raising(error: BaseException) -> int:
    def command(argv: list[str]) -> int:
        raise error

    return run(command, [])


def test_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda argv: len(argv), ["a", "b", "c"]) == 3
    assert run_raising(UserError("no")) == 2
    assert run_raising(KeyboardInterrupt()) == 130
    assert run_raising(KeyboardInterrupt("the same command resumes")) == 130
    assert capsys.readouterr().err == "error: no\ninterrupted\nthe same command resumes\n"
    with pytest.raises(RuntimeError):
        run_raising(RuntimeError())


def test_warnings_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def command(argv: list[str]) -> int:
        warnings.simplefilter("default")
        warnings.warn("two\nlines " + "x" * 1000, stacklevel=1)
        return 0

    before = warnings.showwarning
    assert run(command, [], uses_jax=False) == 0
    error = capsys.readouterr().err
    assert error.startswith("warning: two lines x")
    assert (error.count("\n"), len(error)) == (1, 510)
    assert warnings.showwarning is before


@pytest.mark.parametrize("uses_jax", [True, False])
def test_runtime_is_prepared_before_the_command(uses_jax: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "prepare", lambda: monkeypatch.setenv("PREPARED", "1"))
    assert run(lambda argv: int("PREPARED" in os.environ), [], uses_jax=uses_jax) == uses_jax


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserError("no"), 2, "error: no\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command resumes from the newest checkpoint\n"),
    ],
)
def test_exit_status_of_a_training(
    error: BaseException,
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("hclip_jax.training.loop.train", train)
    assert run(main, ["--config=tiny", f"--workdir={tmp_path / 'run'}"]) == status
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("best", "best")])
def test_a_checkpoint_is_a_step_or_the_best(text: str, value: int | str) -> None:
    parser = Parser(prog="hclip x", description="")
    parser.add_checkpoint()
    assert parser.parse_args([f"--checkpoint={text}"]).checkpoint == value
    for wrong in ("newest", "-1", "1.5", "²"):
        with pytest.raises(
            UserError, match=r"--checkpoint is '.*'; it must be the step of a checkpoint, or best"
        ):
            parser.parse_args([f"--checkpoint={wrong}"])


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="hclip x", description="")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--output", required=True)
    return parser


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--out=x"], "--out is not an option"),  # no abbreviations
        (["--outptu=x"], r"--outptu is not an option; did you mean --output\? \(see hclip x --help\)"),
        ([], r"required: --output \(see hclip x --help\)"),
        (["--output=x", "a", "b"], "unrecognized arguments: b"),
        (["--output="], "--output is empty; give a value"),
        (["--output=x", ""], "an argument is empty; give a value"),
    ],
)
def test_wrong_use(parser: Parser, argv: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parser.parse_args(argv)


def test_overrides_are_separated(parser: Parser) -> None:
    overrides = ["--config.a.b=(1, 2)", "--config.c=x y"]
    args, separated = parser.parse_with_overrides([overrides[0], "--output", "out", overrides[1], "name"])
    assert (args.name, args.output, separated) == ("name", "out", overrides)
    with pytest.raises(UserError, match=r"--config\.a has no value; give --config\.a=VALUE"):
        parser.parse_with_overrides(["--output=x", "--config.a", "3"])


def test_a_path_that_the_system_refuses_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(argv: list[str]) -> int:
        return len((tmp_path / argv[0]).read_text())

    assert run(command, ["n" * 300]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / ('n' * 300)}: File name too long;")
    assert error.count("\n") == 1


def test_a_missing_platform_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_raising(RuntimeError("Unable to initialize backend 'cuda':\nno device")) == 2
    assert "unset JAX_PLATFORMS" in capsys.readouterr().err
    with pytest.raises(OSError, match="no file"):  # nothing to name
        run_raising(OSError("no file"))


def test_a_sentence_of_the_type_of_an_option_is_said() -> None:
    def convert(text: str) -> int:
        raise UserError(f"{text} is no address that can be read")

    parser = Parser(prog="hclip x", description="x")
    parser.add_argument("--output", type=convert)
    parser.add_argument("--number", type=int)
    with pytest.raises(UserError, match=r"^ftp://x is no address that can be read$"):
        parser.parse_args(["--output=ftp://x"])
    with pytest.raises(UserError, match="--number: invalid int value: 'a'"):
        parser.parse_args(["--number=a"])
