import json
from pathlib import Path

import pytest
from PIL import Image

from hclip_jax.analysis.ablation.plan import Run
from hclip_jax.analysis.ablation.plot import plot
from hclip_jax.analysis.ablation.table import finished, make_table, to_json, to_markdown
from tests.small_models import micro


def run(folder: Path, method: str, seed: int, unseen: float | None, step: int = 4) -> Run:
    """A training that ended at `step` of 4 with a figure, or never evaluated."""
    folder = folder / method / str(seed)
    folder.mkdir(parents=True)
    lines = [{"step": 1, "loss": 1.0}]
    if unseen is not None:
        figures = {"mIoU": 1.0, "mIoU_seen": 20.0, "mIoU_unseen": unseen, "hIoU": 5.0}
        lines.append({"step": step, "evaluation": {"open": figures, "other": {"mIoU": 7.0, "pACC": 9.0}}})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Run(method, seed, micro(), folder, ())


def test_a_training_has_ended_when_its_last_step_was_evaluated(tmp_path: Path) -> None:
    assert finished(run(tmp_path, "a", 0, 3.0))
    assert finished(run(tmp_path, "a", 1, 3.0, step=2)) is None
    assert finished(run(tmp_path, "a", 2, None)) is None
    assert finished(Run("b", 0, micro(), tmp_path / "nowhere", ())) is None


def test_rows_are_means_and_deviations_over_the_seeds_that_ended(tmp_path: Path) -> None:
    runs = [run(tmp_path, "a", seed, unseen) for seed, unseen in enumerate((10.0, 14.0, None))]
    runs += [run(tmp_path, "b", 0, 8.0), run(tmp_path, "c", 0, None)]
    a, b = make_table(runs)
    assert (a.method, a.seeds, b.method, b.seeds) == ("a", 2, "b", 1)
    assert a.figures["open mIoU_unseen"] == pytest.approx((12.0, 8**0.5))
    assert b.figures["open mIoU_unseen"] == (8.0, 0.0)
    assert json.loads(to_json([a, b]))[1]["figures"]["other mIoU"] == {"mean": 7.0, "deviation": 0.0}
    header, _, first, _ = to_markdown([a, b]).splitlines()
    assert header.split(" | ")[3:] == ["open mIoU_seen", "open mIoU_unseen", "open hIoU", "other mIoU |"]
    assert "12.0 ± 2.8" in first


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    rows = make_table([run(tmp_path, "a", 0, 10.0), run(tmp_path, "b", 0, 8.0)])
    plot(tmp_path / "plot.png", rows)
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("L").getcolors()) > 10
    assert not list(tmp_path.glob("*.tmp"))
