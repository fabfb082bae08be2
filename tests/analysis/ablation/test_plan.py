import itertools
import json
from pathlib import Path

import pytest

from hclip_jax.analysis.ablation.plan import Run, read_plan
from hclip_jax.errors import UserError
from tests.small_models import micro


def test_every_method_of_the_built_in_ablation_is_a_valid_training() -> None:
    runs = read_plan("ablation", Path("runs"))
    assert len({run.workdir for run in runs}) == len(runs)
    assert len({(run.method, run.seed) for run in runs}) == len(runs)
    assert len({run.seed for run in runs}) >= 3
    by_method = {run.method: run.config for run in runs}
    assert all(a != b for a, b in itertools.combinations(by_method.values(), 2))
    assert all(run.config.seed == run.seed for run in runs)


def test_the_configuration_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_plan("ablation", Path("runs"))


def test_methods_and_seeds_can_be_selected() -> None:
    runs = read_plan("ablation", Path("runs"), ["frozen", "LoRA"], [7])
    assert [(run.method, run.seed) for run in runs] == [("frozen", 7), ("LoRA", 7)]


def test_wrong_plans_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no method 'magic'; choose from H-CLIP"):
        read_plan("ablation", tmp_path, ["magic"])
    with pytest.raises(UserError, match="is not an ablation"):
        read_plan("tiny", tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        read_plan(str(tmp_path / "missing.py"), tmp_path)
    broken = tmp_path / "broken.py"
    broken.write_text("import missing_module\n")
    with pytest.raises(UserError, match="cannot be used"):
        read_plan(str(broken), tmp_path)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from tests.small_models import micro_dict as get_config\n"
        "SEEDS = (0,)\nMETHODS = {'fast': ('train.learning=1',)}\n"
    )
    with pytest.raises(UserError, match=r"config\.train\.learning is not a field"):
        read_plan(str(wrong), tmp_path)


@pytest.mark.parametrize(("step", "finished"), [(4, True), (2, False), (None, False)])
def test_final_metrics_are_those_after_the_last_step(
    tmp_path: Path, step: int | None, finished: bool
) -> None:
    run = Run("a", 0, micro(), tmp_path / "a", ())
    assert run.final_metrics() is None
    run.workdir.mkdir()
    lines: list[dict] = [{"step": 1, "loss": 1.0}]
    if step is not None:
        lines.append({"step": step, "evaluation": {"open": {"mIoU": 7.0}}})
    (run.workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run.final_metrics() == ({"open": {"mIoU": 7.0}} if finished else None)


def test_a_line_that_a_kill_cut_off_does_not_count(tmp_path: Path) -> None:
    run = Run("a", 0, micro(), tmp_path, ())
    whole = json.dumps({"step": micro().train.num_train_steps, "evaluation": {"val": {"mIoU": 1.0}}})
    (tmp_path / "metrics.jsonl").write_text(whole[:-3])
    assert run.final_metrics() is None
    (tmp_path / "metrics.jsonl").write_text(whole + "\n" + whole[:-3])
    assert run.final_metrics() == {"val": {"mIoU": 1.0}}
