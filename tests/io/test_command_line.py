"""How every command refuses and ends."""

from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.io.command_line import Parser, run
from hclip_jax.main import main


def ends_with(error: BaseException, *said: str) -> int:
    def command(argv: list[str]) -> int:
        raise error

    return run(command, [], *said)


def test_the_status_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda argv: len(argv), ["a", "b", "c"]) == 3
    assert ends_with(UserError("no")) == 2
    assert ends_with(KeyboardInterrupt()) == 130
    assert ends_with(KeyboardInterrupt(), "come again") == 130
    assert capsys.readouterr().err == "error: no\ninterrupted\ncome again\n"
    with pytest.raises(RuntimeError):
        ends_with(RuntimeError())


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("no"), 2, "error: no\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command resumes from the newest checkpoint\n"),
    ],
)
def test_a_training_ends_as_they_do(
    error: BaseException,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(*given: object) -> None:
        raise error

    monkeypatch.setattr("hclip_jax.training.loop.train", train)
    assert main(["main", "--config=configs/tiny.py", f"--workdir={tmp_path / 'run'}"]) == status
    assert capsys.readouterr() == ("", said)


def test_a_parser_takes_no_abbreviations() -> None:
    parser = Parser(prog="p", description="")
    parser.add_argument("--output")
    with pytest.raises(UserError, match="--out"):
        parser.parse_args(["--out=x"])
