"""A training whose work directory, weights and class list lie in a bucket."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hclip_jax.main import main
from hclip_jax.tools import convert, evaluate, hypersphere
from hclip_jax.tools.command_line import run
from tests.bucket import bucket


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    with bucket(tmp_path / "bucket"):
        yield tmp_path / "bucket"


def test_a_training(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "micro.py"
    config.write_text("from tests.small_models import micro_dict as get_config\n")
    command = [f"--config={config}", "--workdir=gs://bucket/run", "--config.train.checkpoint_every=1"]
    assert run(main, [*command, "--config.train.evaluate_every=2"]) == 0, capsys.readouterr().err
    print(names(store))
    assert run(main, [*command, "--checkpoint=2"]) == 0, capsys.readouterr().err
    print(capsys.readouterr().out)
    print(names(store))
    assert run(evaluate.main, ["gs://bucket/run"]) == 0, capsys.readouterr().err
    assert run(hypersphere.main, ["gs://bucket/run"]) == 0, capsys.readouterr().err
    assert run(convert.main, ["gs://bucket/run", str(tmp_path / "model")]) == 0, capsys.readouterr().err
    print(names(store))
    print((store / "run/metrics.jsonl").read_text())
    assert 0
