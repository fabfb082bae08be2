"""`hclip evaluate MODEL --suite`: the arguments, before a model is loaded."""

import json
from pathlib import Path

import pytest

from hclip_jax.data.data_folder import VARIABLE
from hclip_jax.io.lock import locked
from hclip_jax.tools import evaluate_suite
from hclip_jax.tools.evaluate import main
from hclip_jax.training.workdir import claim_workdir
from tests.small_models import micro
from tests.tools.calling import Capture, refuse, succeed


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    found: list[tuple] = []

    def evaluate(*arguments: object) -> int:
        found.append(arguments)
        return 0

    monkeypatch.setattr(evaluate_suite, "_evaluate", evaluate)
    return found


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    claim_workdir(tmp_path / "run", micro())
    (tmp_path / "run/metrics.jsonl").write_text("")
    return tmp_path / "run"


def test_a_work_directory_gets_the_reports(
    workdir: Path, tmp_path: Path, calls: list[tuple], capsys: Capture
) -> None:
    succeed(main, workdir, "--suite=paper", f"--data={tmp_path}", capture=capsys)
    (_, suite, folder, output, against) = calls[0]
    assert (suite.name, len(suite.sets), folder) == ("paper", 7, str(tmp_path))
    assert (output, against) == (workdir / "evaluation/paper", None)


def test_the_data_folder_is_that_of_the_environment(
    tmp_path: Path, calls: list[tuple], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    arguments = ("weights.pth", "--suite=paper", f"--output={tmp_path / 'out'}", "--sets=ade20k_150")
    succeed(main, *arguments, capture=capsys)
    (_, suite, folder, output, _) = calls[0]
    assert ([entry.name for entry in suite.sets], folder) == (["ade20k_150"], str(tmp_path))
    assert output == tmp_path / "out"


def test_a_suite_of_absolute_roots_needs_no_data_folder(
    tmp_path: Path, calls: list[tuple], capsys: Capture
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"sets": [{"name": "a", "root": "/somewhere"}]}))
    succeed(main, "weights.pth", f"--suite={path}", f"--output={tmp_path / 'out'}", capture=capsys)
    assert calls[0][2] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suite=paper", "--data={}", "--output={}/out"), "MODEL is missing"),
        (("m.pth", "--suite=papr", "--data={}"), "the suite papr does not exist"),
        (
            ("m.pth", "--suite=paper", "--output={}/out"),
            "needs the folder of its sets: give --data",
        ),
        (
            ("m.pth", "--suite=paper", "--data={}/no", "--output={}/out"),
            "/no is no folder; give",
        ),
        (("m.pth", "--suite=paper", "--data={}"), "--output=DIR is missing: m.pth is no work directory"),
        (("m.pth", "--suite=paper", "--data={}", "--sets=ade20k_15"), "did you mean ade20k_150?"),
        (("m.pth", "--suite=paper", "--data={}", "--output={}/out", "--batch_size=0"), "must be 1 or more"),
        (("m.pth", "--suite=paper", "--data={}", "--output={}/out", "--num_images=-1"), "must be 0 or more"),
        (
            ("m.pth", "--suite=paper", "--data={}", "--output={}/out", "--against={}/out"),
            "is the evaluation",
        ),
        (("m.pth", "--suite=paper", "--data={}", "--output={}/out", "--against={}"), "has no evaluation of"),
        (("m.pth", "--suite=paper", "--config.seed=1"), "--config.seed is not an option"),
        (("m.pth", "--suite=paper", "--protocol=other"), "invalid choice: 'other'"),
        (("m.pth", "--suite="), "--suite is empty"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: Capture) -> None:
    assert message in refuse(main, *(a.format(tmp_path) for a in arguments), capture=capsys)
    assert not list(tmp_path.iterdir())


def test_no_set_at_all_is_refused(tmp_path: Path, capsys: Capture) -> None:
    arguments = ("m.pth", "--suite=paper", f"--data={tmp_path}", f"--output={tmp_path / 'out'}")
    message = refuse(main, *arguments, capture=capsys)
    assert "no set of the suite paper can be evaluated; ade20k_847: not prepared: " in message


def test_two_evaluations_into_one_folder_are_refused(
    tmp_path: Path, calls: list[tuple], capsys: Capture
) -> None:
    output = tmp_path / "out"
    arguments = ("m.pth", "--suite=paper", f"--data={tmp_path}", f"--output={output}")
    with locked(output, "evaluates", "--output"):
        message = refuse(main, *arguments, capture=capsys)
        assert f"another process evaluates in {output}; wait for its end" in message
    assert not calls


def test_suites_are_listed(capsys: Capture) -> None:
    out = succeed(main, "--list-suites", capture=capsys)
    assert out.startswith("paper: the six benchmarks")
    assert "| pascal_voc_20b     | PAS-20b    |" in out
