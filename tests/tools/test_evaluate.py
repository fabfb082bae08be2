"""`hclip evaluate`: the arguments, and the configuration it evaluates with."""

import json
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.config.build import to_dict
from hclip_jax.evaluation.image_counts import write_counts
from hclip_jax.tools.evaluate import main
from hclip_jax.training.workdir import claim_workdir
from tests.evaluation.counts import make_counts
from tests.small_models import micro
from tests.tools.calling import Capture, refuse, succeed


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """A work directory in which training has started."""
    claim_workdir(tmp_path / "run", micro())
    (tmp_path / "run/metrics.jsonl").write_text("")
    return tmp_path / "run"


def test_config_json_with_overrides_is_evaluated(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    calls = []
    monkeypatch.setattr(
        "hclip_jax.training.evaluate.evaluate_checkpoint", lambda *args, **_: calls.append(args)
    )
    succeed(main, workdir, capture=capsys)
    succeed(
        main, "--config.evaluation.num_images=1", "--config.head.decoder_dims=(8, 4)", workdir, capture=capsys
    )
    assert [path for _, path in calls] == [workdir, workdir]
    assert calls[0][0] == micro()
    expected = to_dict(micro())
    expected["evaluation"]["num_images"] = 1
    assert to_dict(calls[1][0]) == expected


@pytest.mark.parametrize("name", ["nowhere", "empty", "classes.txt"])
def test_other_folders_are_refused(name: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    message = refuse(main, tmp_path / name, capture=capsys)
    assert f"{tmp_path / name} is not a work directory" in message
    assert "hclip train" in message


def test_broken_configuration_is_refused(workdir: Path, capsys: Capture) -> None:
    (workdir / "config.json").write_text("{")
    assert str(workdir / "config.json") in refuse(main, workdir, capture=capsys)
    tree = to_dict(micro())
    del tree["seed"]
    (workdir / "config.json").write_text(json.dumps(tree))
    assert "config.seed is missing" in refuse(main, workdir, capture=capsys)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.evaluation.pictures=1", "config.evaluation.pictures is not a field"),
        (
            "--config.evaluation.num_images=x",
            "config.evaluation.num_images is 'x'; it must be a whole number",
        ),
        ("--config.evaluation.num_images", "--config.evaluation.num_images has no value"),
        ("--wrokdir=x", "--wrokdir is not an option"),
        ("second", "unrecognized arguments: second"),
        ("--config.seed=7", "seed"),
    ],
)
def test_wrong_use(argument: str, message: str, workdir: Path, capsys: Capture) -> None:
    before = (workdir / "config.json").read_bytes()
    assert message in refuse(main, workdir, argument, capture=capsys)
    assert (workdir / "config.json").read_bytes() == before


@pytest.fixture
def evaluated(workdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another work directory with evaluations; evaluating the first writes those of another model."""
    a, b = (make_counts(np.random.default_rng(seed), 20, 4) for seed in range(2))
    write_counts(tmp_path / "other/evaluation/val.npz", b)
    monkeypatch.setattr(
        "hclip_jax.training.evaluate.evaluate_checkpoint",
        lambda *args, **_: write_counts(workdir / "evaluation/val.npz", a),
    )
    return tmp_path / "other"


def test_two_work_directories_are_compared(workdir: Path, evaluated: Path, capsys: Capture) -> None:
    out = succeed(main, workdir, f"--against={evaluated}", capture=capsys)
    assert f"{workdir} (A) against {evaluated} (B)" in out
    (row,) = [line for line in out.splitlines() if line.startswith("| val")]
    assert {path.name for path in (workdir / "comparisons").iterdir()} == {
        "other.json",
        "other.csv",
        "other.md",
    }
    assert row in (workdir / "comparisons/other.md").read_text()
    assert not (evaluated / "comparisons").exists()


def test_wrong_comparisons_are_refused_before_the_evaluation(
    workdir: Path, evaluated: Path, capsys: Capture
) -> None:
    message = refuse(main, workdir, f"--against={workdir}/../run", capture=capsys)
    assert "is the work directory to evaluate" in message
    message = refuse(main, workdir, f"--against={workdir.parent}", capture=capsys)
    assert f"{workdir.parent / 'evaluation'} has no evaluation of val (val.npz)" in message
    (evaluated / "evaluation/val.npz").write_bytes(b"PK")
    assert "pixel counts" in refuse(main, workdir, f"--against={evaluated}", capture=capsys)
    assert not (workdir / "evaluation").exists()
