import json
from pathlib import Path

import pytest

from hclip_jax.analysis.benchmark.cases import CASES
from hclip_jax.errors import UserError
from hclip_jax.tools import benchmark

MICRO = """
from tests.small_models import micro_dict as get_config
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "micro.py"
    file.write_text(MICRO)
    return f"--config={file}"


def test_the_command_offers_every_case() -> None:
    assert tuple(CASES) == benchmark.CASES


def test_cases_are_measured_and_written(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [config, "--cases=step,image,adapt", "--classes=3", "--batch=8", "--runs=2"]
    trace = tmp_path / "trace"
    assert benchmark.main([*argv, f"--output={tmp_path / 'out'}", f"--profile={trace}"]) == 0
    measured = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert [m["case"] for m in measured] == ["step", "picture", "adapt"]
    assert [(m["classes"], m["batch"]) for m in measured] == [(3, 8), (3, 8), (0, 0)]
    for m in measured:
        assert 0 < m["fastest"] <= m["seconds"] <= m["slowest"] < m["first"]
        assert m["memory"] > 1e8
        assert m["yardstick"] > m["rate"] > 0
    step, picture, adapt = measured
    assert step["operations"] > 2 * picture["operations"] > 0
    assert step["operations"] > adapt["operations"] > 0
    assert any(trace.rglob("*.xplane.pb"))
    table = (tmp_path / "out/benchmark.md").read_text()
    assert table.splitlines()[-1] in capsys.readouterr().out


@pytest.mark.parametrize("case", sorted(set(CASES) - {"step", "picture", "adapt"}))
def test_every_other_case_runs(case: str) -> None:
    from tests.small_models import micro

    made = CASES[case](micro(), 3)
    made.run()
    assert (made.operations > 0) == (case != "reading")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--cases=steps", "--cases has 'steps'; choose of step, picture"),
        ("--cases=", "--cases is empty; choose of step"),
        ("--config.train.batch_size=4", "--config.train.batch_size has no effect; give --batch"),
        ("--config.clip.weights=tiny", "weights are random here"),
        ("--classes=0", "--classes=0 is no list of numbers from 1"),
        ("--batch=a", "--batch=a is no list"),
        ("--runs=0", "--runs is 0; give at least 1"),
        ("--config.train.batsh=1", "batsh"),
    ],
)
def test_mistakes_are_named(config: str, argument: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        benchmark.main([config, argument])
