import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.tools import ablate
from hclip_jax.training.workdir import claim_workdir
from tests.small_models import micro

CONFIG = """
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


@pytest.mark.slow
def test_an_ablation_trains_resumes_and_writes_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, workdir = tmp_path / "plan.py", tmp_path / "run"
    file.write_text(CONFIG)
    argv = [f"--config={file}", f"--workdir={workdir}"]
    assert ablate.main([*argv, "--methods=frozen"]) == 0
    table = (workdir / "table.md").read_text()
    assert "frozen" in table
    assert "first" not in table
    log_time = (workdir / "frozen/0/log.txt").stat().st_mtime_ns
    shutil.copytree(workdir / "frozen", workdir / "first")  # instead of the second training
    capsys.readouterr()

    assert ablate.main(argv) == 0
    assert "2 trainings, 2 finished" in capsys.readouterr().out
    assert (workdir / "frozen/0/log.txt").stat().st_mtime_ns == log_time
    header, _, *rows = (workdir / "table.md").read_text().splitlines()
    assert "open mIoU_unseen" in header
    assert [row.split()[1:6:2] for row in rows] == [["first", "0", "1"], ["frozen", "0", "1"]]
    assert (workdir / "plot.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_saves_both_trainings(number: int, tmp_path: Path) -> None:
    file, workdir = tmp_path / "plan.py", tmp_path / "run"
    file.write_text(
        CONFIG.replace("num_train_steps=1, checkpoint_every=1, evaluate_every=1", "num_train_steps=100_000")
    )
    command = [sys.executable, "-m", "hclip_jax.tools.ablate", f"--config={file}", f"--workdir={workdir}"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([*command, "--jobs=2"], stderr=subprocess.PIPE, text=True, env=environment)
    files = [workdir / name / "0/metrics.jsonl" for name in ("first", "frozen")]
    deadline = time.monotonic() + 240
    try:
        while not all(path.exists() and "loss" in path.read_text() for path in files):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.2)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "stopped as asked" in stderr
    assert "the same command goes on" in stderr
    for path in files:
        assert "stopped as asked, and saved after step" in (path.parent / "log.txt").read_text()
        assert list((path.parent / "checkpoints").glob("[0-9]*"))


def test_results_of_another_configuration_do_not_count(tmp_path: Path) -> None:
    file, workdir = tmp_path / "plan.py", tmp_path / "run"
    file.write_text(CONFIG)
    claim_workdir(workdir / "frozen/0", micro())
    with pytest.raises(
        UserError, match=r"frozen/0 holds a training of another configuration, which differs in"
    ):
        ablate.main([f"--config={file}", f"--workdir={workdir}"])


def test_a_failed_training_is_named_with_its_log(tmp_path: Path) -> None:
    file = tmp_path / "plan.py"
    file.write_text(CONFIG.replace('label_set = "seen"', 'root = "/nowhere"'))
    with pytest.raises(UserError, match=r"first, seed 0, ended with status 2; see .*log\.txt"):
        ablate.main([f"--config={file}", f"--workdir={tmp_path / 'run'}"])
    assert "/nowhere" in (tmp_path / "run/first/0/log.txt").read_text()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--jobs=0", "--jobs is 0; it must be 1 or more"),
        ("--seeds=a", "--seeds=a is not a list of whole numbers"),
        ("--methods=magic", "no method 'magic'; choose from H-CLIP"),
        ("--config=missing", "--config=missing does not exist"),
    ],
)
def test_wrong_arguments_are_refused(
    argument: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # outside the repository, where the built-in configuration is found too
    with pytest.raises(UserError, match=message):
        ablate.main([argument])
