"""The command line as a person types it, and mistypes it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hclip_jax.main import main


@pytest.mark.parametrize("argv", [["--help"], ["--config=x.py", "--help"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["main", *argv]) == 0
    out, err = capsys.readouterr()
    assert all(flag in out for flag in ("--config=", "--config.a.b=", "--workdir=", "--mode=", "evaluate"))
    assert not err


def test_the_exit_status_reaches_the_shell() -> None:
    command = [sys.executable, "-m", "hclip_jax.main", "--config=configs/tiny.py", "--workdir=nowhere"]
    done = subprocess.run([*command, "--config.trian.steps=3"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: config.trian is not a field;")
    assert done.stderr.count("\n") == 1
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--config.train.step=3", ("config.train.step is not a field", "did you mean steps?")),
        ("--config.trian.steps=3", ("config.trian is not a field", "did you mean train?")),
        (
            "--config.train.num_train_steps.x=3",
            ("--config.train.num_train_steps.x is not a field", "steps holds 4"),
        ),
        ("--config.train.num_train_steps=abc", ("config.train.num_train_steps is 'abc'", "a whole number")),
        ("--config.train.num_train_steps=1.5", ("config.train.num_train_steps is 1.5", "a whole number")),
        ("--config.train.evaluate_first=maybe", ("config.train.evaluate_first is 'maybe'", "True or")),
        ("--config.head.decoder_dims=(8,'a')", ("config.head.decoder_dims[1] is 'a'", "a whole number")),
        ("--config.head.decoder_dims=(8", ("config.head.decoder_dims is '(8'", "a tuple, such as")),
        ("--config.train=3", ("config.train is 3", "a group of fields")),
        ("--config.model.dtype=half", ("config.model.dtype is 'half'", "float32, bfloat16")),
        (
            "--config.train.num_train_steps",
            ("'--config.train.num_train_steps' is not a flag", "--config.FIELD=VALUE"),
        ),
        ("--wrokdir=x", ("'--wrokdir=x' is not a flag", "--workdir=DIR")),
        ("stray", ("'stray' is not a flag", "--workdir=DIR")),
        ("--mode=test", ("--mode=test", "train|evaluate")),
        ("--config=", ("--config is missing", "--config=FILE")),
        ("--workdir=", ("--workdir is missing", "--workdir=DIR")),
    ],
)
def test_bad_flags(flag: str, words: tuple[str, ...], refusal: Callable[..., str]) -> None:
    message = refusal(flag)
    assert all(word in message for word in words), message
    assert message.count("\n") == 1


def test_missing_flags(refusal: Callable[..., str]) -> None:
    assert "--config is missing" in refusal(alone=True)
    assert "--config is missing" in refusal("--workdir=x", alone=True)
    assert "--workdir is missing" in refusal("--config=configs/tiny.py", alone=True)


def test_values_of_flags_are_what_they_look_like(
    config_file: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("hclip_jax.training.loop.train", lambda *given: seen.append(given))
    flags = (
        "--config.train.evaluate_first=true",
        "--config.train.learning_rate=1e-3",
        "--config.head.decoder_dims=(16, 8)",
        "--config.data.root=42",
        "--config.evaluation.sets.val.split=test",
        "--config.train.trainable=('head',)",
    )
    assert main(["main", f"--workdir={workdir}", *flags, f"--config={config_file}"]) == 0
    ((config, where),) = seen
    assert where == workdir
    assert config.train.evaluate_first is True
    assert config.train.learning_rate == 1e-3
    assert config.head.decoder_dims == (16, 8)
    assert config.data.root == "42"
    assert config.evaluation.sets["val"].split == "test"
    assert config.train.trainable == ("head",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("def get_config(:\n", "SyntaxError: invalid syntax"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("x = 1\n", "get_config"),
        ("def get_config():\n    return {}\n", "to_dict"),
        ("def get_config():\n    raise ValueError('two\\nlines')\n", "ValueError: two lines"),
    ],
)
def test_bad_config_files_are_named(
    content: str | None, words: str, tmp_path: Path, workdir: Path, refusal: Callable[..., str]
) -> None:
    path = tmp_path / "bad.py"
    if content is not None:
        path.write_text(content)
    message = refusal(f"--config={path}", f"--workdir={workdir}", alone=True)
    assert message.startswith(f"error: --config={path} cannot be used (")
    assert words in message
    assert "get_config() returns a ConfigDict" in message
    assert message.count("\n") == 1
