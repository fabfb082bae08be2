import json
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.tools import benchmark


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "micro.py"
    file.write_text("from tests.small_models import micro_dict as get_config\n")
    return f"--config={file}"


@pytest.mark.slow
def test_cases_are_measured_and_written(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [config, "--cases=step,image,adapt", "--classes=3", "--batch=8", "--runs=2"]
    trace = tmp_path / "trace"
    assert benchmark.main([*argv, f"--output={tmp_path / 'out'}", f"--profile={trace}"]) == 0
    measurements = json.loads((tmp_path / "out/benchmark.json").read_text())
    assert [m["case"] for m in measurements] == ["step", "image", "adapt"]
    assert [(m["num_classes"], m["batch_size"]) for m in measurements] == [(3, 8), (3, 8), (0, 0)]
    for m in measurements:
        assert 0 < m["min_seconds"] <= m["median_seconds"] <= m["max_seconds"] < m["first_seconds"]
        assert m["peak_memory_bytes"] > 1e8
        assert m["matmul_flops_per_second"] > m["flops_per_second"] > 0
    step, image, adapt = measurements
    assert step["flops"] > 2 * image["flops"] > 0
    assert step["flops"] > adapt["flops"] > 0
    assert any(trace.rglob("*.xplane.pb"))
    table = (tmp_path / "out/benchmark.md").read_text()
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table.splitlines()[-1].split() in printed


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--cases=steps", "--cases has 'steps'; choose from step,image"),
        ("--cases=", "--cases is empty; give a value"),
        ("--config.train.batch_size=4", "--config.train.batch_size has no effect; give --batch"),
        ("--config.clip.weights=tiny", "the weights are random"),
        ("--classes=0", "--classes=0 is not a list of whole numbers from 1"),
        ("--batch=a", "--batch=a is not a list"),
        ("--runs=0", "--runs is 0; it must be 1 or more"),
        ("--config.train.batsh=1", "batsh"),
        ("--config=missing", "--config=missing does not exist"),
        ("--suite=tpu", "--suite is 'tpu'; the only suite is gpu"),
        ("--suite=gpu", "--suite=gpu keeps a file for each row; give --output=DIR"),
        ("--platform=cuda", "--platform is 'cuda'; choose from cpu, gpu, tpu"),
    ],
)
def test_wrong_arguments_are_refused(config: str, argument: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        benchmark.main([config, argument])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cases=data"], "--cases has 'data'; choose from step,image"),
        (["--profile=trace"], "--profile does not go with --suite"),
        (["--config.model.dtype=bfloat16"], "--config.model.dtype has no effect; the suite measures several"),
        ([], "needs an accelerator, and JAX finds only the CPU here"),
    ],
)
def test_wrong_arguments_of_the_suite(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(benchmark, "find_device", lambda platform: ("cpu", "cpu"))
    with pytest.raises(UserError, match=message):
        benchmark.main([config, "--suite=gpu", f"--output={tmp_path}", *arguments])


def test_a_platform_without_a_device(config: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="JAX finds no device of --platform=tpu"):
        benchmark.main([config, "--suite=gpu", f"--output={tmp_path}", "--platform=tpu", "--cases=roll"])


@pytest.mark.slow
def test_the_suite_is_rehearsed_on_a_cpu(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [config, "--suite=gpu", f"--output={tmp_path}", "--platform=cpu", "--classes=3", "--runs=1"]
    argv += ["--cases=text,cudnn-attention", "--batch=2"]
    assert benchmark.main(argv) == 0
    rows = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["variant"] for row in rows] == ["float32", "tf32", "bfloat16", "bfloat16"]
    assert [bool(row["failure"]) for row in rows] == [False, False, False, True]  # cuDNN needs a GPU
    assert all(row["median_seconds"] > 0 for row in rows[:3])
    assert "4 rows on cpu" in capsys.readouterr().out
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "rows").iterdir()}
    assert benchmark.main(argv) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "rows").iterdir()} == written
