import json
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.analysis.ablation.plan import Run
from hclip_jax.analysis.ablation.table import make_table, to_json, to_markdown
from tests.small_models import micro


def make_run(folder: Path, method: str, seed: int, unseen: float | None) -> Run:
    """A finished training with `unseen` as mIoU_unseen, or one without an evaluation."""
    workdir = folder / method / str(seed)
    workdir.mkdir(parents=True)
    lines: list[dict[str, Any]] = [{"step": 1, "loss": 1.0}]
    if unseen is not None:
        metrics = {"mIoU": 1.0, "mIoU_seen": 20.0, "mIoU_unseen": unseen, "hIoU": 5.0}
        lines.append({"step": 4, "evaluation": {"open": metrics, "other": {"mIoU": 7.0, "pACC": 9.0}}})
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Run(method, seed, micro(), workdir, ())


def test_rows_are_means_and_deviations_over_the_finished_seeds(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "a", seed, unseen) for seed, unseen in enumerate((10.0, 14.0, None))]
    runs += [make_run(tmp_path, "b", 0, 8.0), make_run(tmp_path, "c", 0, None)]
    a, b = make_table(runs)
    assert (a.method, a.seeds, b.method, b.seeds) == ("a", 2, "b", 1)
    assert a.metrics["open mIoU_unseen"] == pytest.approx((12.0, 8**0.5))
    assert b.metrics["open mIoU_unseen"] == (8.0, 0.0)
    assert json.loads(to_json([a, b]))[1]["metrics"]["other mIoU"] == {"mean": 7.0, "std": 0.0}
    header, _, first, _ = to_markdown([a, b]).splitlines()
    assert header.strip("| ").split(" | ")[3:] == [
        "open mIoU_seen",
        "open mIoU_unseen",
        "open hIoU",
        "other mIoU",
    ]
    assert "12.0 ± 2.8" in first


def test_metrics_that_older_trainings_lack_are_left_out(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "a", seed, 10.0) for seed in range(2)]
    path = runs[0].workdir / "metrics.jsonl"
    path.write_text(path.read_text().replace('"pACC"', '"mIoU_all": 3.0, "pACC"'))
    (row,) = make_table(runs)
    assert "other pACC" in row.metrics
    assert "other mIoU_all" not in row.metrics
