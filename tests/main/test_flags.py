"""The command line of `hclip train`: what it accepts, and how it refuses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hclip_jax.main import main
from hclip_jax.tools.command_line import run


@pytest.mark.parametrize("argv", [["--help"], ["--config=x.py", "--help"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(main, argv)
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert all(
        flag in out for flag in ("--config", "--config.FIELD=VALUE", "--workdir", "--mode", "evaluate")
    )
    assert not err


def test_exit_status_reaches_the_shell(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hclip_jax.main", "--config=tiny", "--workdir=nowhere"]
    done = subprocess.run(
        [*command, "--config.trian.steps=3"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: config.trian is not a field;")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        (
            "--workdir=ftp://host/run",
            ("ftp://host/run is no address", "give gs://BUCKET", "hclip_jax[gcs]"),
        ),
        ("--workdir=s3://bucket/run", ("s3://bucket/run is no address that can be read: give gs://",)),
        ("--mesh=3x3", ("the mesh is '3x3'", "a product of 8")),
        ("--mesh=8", ("the mesh is '8'",)),
        ("--config.train.batch_sizes=3", ("config.train.batch_sizes is not a field", "mean batch_size?")),
        ("--config.trian.steps=3", ("config.trian is not a field", "did you mean train?")),
        (
            "--config.train.num_train_steps.x=3",
            ("--config.train.num_train_steps.x is not a field", "num_train_steps holds 4"),
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
            ("--config.train.num_train_steps has no value", "--config.train.num_train_steps=VALUE"),
        ),
        ("--wrokdir=x", ("--wrokdir is not an option", "did you mean --workdir?")),
        ("--work=x", ("--work is not an option",)),  # no abbreviations
        (
            "stray",
            ("'stray' beside --config or --workdir", "give a work directory alone", "hclip train --help"),
        ),
        ("--mode=test", ("argument --mode", "'test'", "train", "evaluate")),
        ("--config=", ("--config is empty", "give a value")),
        ("--config=tny", ("--config=tny does not exist", "ablation, catseg_vitb, tiny, vitb, vitl")),
        ("--workdir=", ("--workdir is empty", "give a value")),
    ],
)
def test_wrong_arguments(argument: str, parts: tuple[str, ...], refusal: Callable[..., str]) -> None:
    message = refusal(argument)
    assert all(part in message for part in parts), message
    assert message.count("\n") == 1


def test_missing_arguments(refusal: Callable[..., str]) -> None:
    assert "required: --config, --workdir" in refusal(alone=True)
    assert "required: --config (or a work directory alone, to" in refusal("--workdir=x", alone=True)
    assert "required: --workdir (or a work directory alone, to" in refusal("--config=tiny", alone=True)


def test_values_have_the_types_of_their_fields(
    config_file: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    monkeypatch.setattr("hclip_jax.training.loop.train", lambda *args, **_: calls.append(args))
    overrides = (
        "--config.train.evaluate_first=true",
        "--config.train.learning_rate=1e-3",
        "--config.head.decoder_dims=(16, 8)",
        "--config.data.root=42",
        "--config.evaluation.sets.val.split=test",
        "--config.train.trainable=('head',)",
    )
    assert main([f"--workdir={workdir}", *overrides, "--config", str(config_file)]) == 0
    ((config, path, _),) = calls
    assert path == workdir
    assert config.train.evaluate_first is True
    assert config.train.learning_rate == 1e-3
    assert config.head.decoder_dims == (16, 8)
    assert config.data.root == "42"
    assert config.evaluation.sets["val"].split == "test"
    assert config.train.trainable == ("head",)


@pytest.mark.parametrize(
    ("mode", "function"), [("train", "loop.train"), ("evaluate", "evaluate.evaluate_checkpoint")]
)
def test_modes(mode: str, function: str, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(f"hclip_jax.training.{function}", lambda *args, **_: calls.append(args))
    assert main(["--config=tiny", f"--workdir={workdir}", f"--mode={mode}"]) == 0
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("def get_config(:\n", "SyntaxError: invalid syntax"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("x = 1\n", "get_config"),
        ("def get_config():\n    return {}\n", "to_dict"),
        ("def get_config():\n    raise ValueError('two\\nlines')\n", "ValueError: two lines"),
    ],
)
def test_bad_config_files_are_named(
    content: str, reason: str, tmp_path: Path, workdir: Path, refusal: Callable[..., str]
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(content)
    message = refusal(f"--config={path}", f"--workdir={workdir}", alone=True)
    assert message.startswith(f"error: --config={path} cannot be used (")
    assert reason in message
    assert "get_config() returns a ConfigDict" in message
    assert message.count("\n") == 1
