import shutil
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.tools import ablate

PLAN = """
from ml_collections import ConfigDict

from hclip_jax.configs import vitb
from tests.small_models import micro_dict

SEEDS = (0,)
METHODS = {"first": ("adapters.method=none",), "frozen": ("adapters.method=none",)}


def get_config():
    c = micro_dict()
    c.train.update(num_train_steps=1, checkpoint_every=1, evaluate_every=1)
    c.data.label_set = "seen"
    c.evaluation.sets = ConfigDict()
    c.evaluation.sets.open = vitb.evaluation_set(label_set="all")
    return c
"""


def test_an_ablation_runs_resumes_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, workdir = tmp_path / "plan.py", tmp_path / "run"
    file.write_text(PLAN)
    argv = [f"--config={file}", f"--workdir={workdir}"]
    assert ablate.main([*argv, "--methods=frozen"]) == 0
    table = (workdir / "table.md").read_text()
    assert "frozen" in table
    assert "first" not in table
    trained = (workdir / "frozen/0/log.txt").stat().st_mtime_ns
    shutil.copytree(workdir / "frozen", workdir / "first")  # which saves the other training
    capsys.readouterr()

    assert ablate.main(argv) == 0
    assert "2 trainings, 2 have ended" in capsys.readouterr().out
    assert (workdir / "frozen/0/log.txt").stat().st_mtime_ns == trained
    table = (workdir / "table.md").read_text()
    assert "| frozen | 0 | 1 |" in table
    assert "| first |" in table
    assert "open mIoU_unseen" in table
    assert (workdir / "plot.png").is_file()


def test_a_training_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    file = tmp_path / "plan.py"
    file.write_text(PLAN.replace('vocabulary = "seen"', 'root = "/nowhere"'))
    with pytest.raises(UserError, match=r"first, seed 0, ended with status 2; see .*log\.txt"):
        ablate.main([f"--config={file}", f"--workdir={tmp_path / 'run'}"])
    assert "/nowhere" in (tmp_path / "run/first/0/log.txt").read_text()


def test_no_jobs_are_refused() -> None:
    with pytest.raises(UserError, match="--jobs is 0; give at least 1"):
        ablate.main(["--jobs=0"])


def test_wrong_seeds_are_refused() -> None:
    with pytest.raises(UserError, match="--seeds=a is no list of whole numbers"):
        ablate.main(["--seeds=a"])
