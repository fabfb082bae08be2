from pathlib import Path

import pytest

from hclip_jax.analysis.ablation.plan import read_plan
from hclip_jax.errors import UserError

FILE = "configs/ablation.py"


def test_every_method_of_the_shipped_ablation_is_a_valid_training() -> None:
    runs = read_plan(FILE, Path("runs"))
    assert len({run.folder for run in runs}) == len(runs)
    assert len({(run.method, run.seed) for run in runs}) == len(runs)
    assert len({run.seed for run in runs}) >= 3
    by_method = {run.method: run.config for run in runs}
    assert len(set(by_method.values())) == len(by_method)  # no two methods are the same
    assert all(run.config.seed == run.seed for run in runs)


def test_methods_and_seeds_can_be_chosen() -> None:
    runs = read_plan(FILE, Path("runs"), ["frozen", "LoRA"], [7])
    assert [(run.method, run.seed) for run in runs] == [("frozen", 7), ("LoRA", 7)]


def test_what_is_wrong_with_a_plan_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no method 'magic'; choose of H-CLIP"):
        read_plan(FILE, tmp_path, ["magic"])
    with pytest.raises(UserError, match="is no ablation"):
        read_plan("configs/tiny.py", tmp_path)
    with pytest.raises(UserError, match="is no ablation"):
        read_plan(str(tmp_path / "nothing.py"), tmp_path)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from tests.small_models import micro_dict as get_config\n"
        "SEEDS = (0,)\nMETHODS = {'fast': ('train.learning=1',)}\n"
    )
    with pytest.raises(UserError, match=r"config\.train\.learning is not a field"):
        read_plan(str(wrong), tmp_path)
