"""tpu_worker.sh starts a training that outlives the connection, and keeps its exit status."""

import shutil
import time
from pathlib import Path

import pytest

from tests.launch.stubs import LAUNCH, Stubs

# Ends with STATUS, or with 130 at a SIGINT.
PYTHON = r"""
echo "arguments $(printf '<%s>' "$@")"
trap 'kill -KILL $!; exit 130' INT
trap '' TERM
if [ "$STATUS" = wait ]; then
  touch "$STUB_FOLDER/started"
  sleep 20 >/dev/null 2>&1 &
  wait
fi
exit "$STATUS"
"""


@pytest.fixture
def worker(tmp_path: Path) -> Stubs:
    home = tmp_path / "hclip"
    stubs = Stubs(tmp_path)
    stubs.scripts = home / "code" / "launch"
    stubs.scripts.mkdir(parents=True)
    shutil.copy(LAUNCH / "tpu_worker.sh", stubs.scripts)
    stubs.add("python", PYTHON, records=False)
    (home / ".venv").mkdir()
    (home / ".venv" / "bin").symlink_to(tmp_path / "bin")
    return stubs


def test_setup_installs_the_code(worker: Stubs) -> None:
    worker.add("python3")
    worker.add("sudo", "exit 1")
    assert worker.run("tpu_worker.sh", "setup").returncode == 0
    assert worker.called()[:2] == [
        "python3 -m pip install --quiet --user uv",
        "python3 -m uv pip install --quiet -e code[tpu,gcs]",
    ]


@pytest.mark.parametrize("status", ["0", "2", "143"])
def test_status_is_that_of_the_training(worker: Stubs, tmp_path: Path, status: str) -> None:
    assert worker.run("tpu_worker.sh", "status").stdout == "none\n"
    assert worker.run("tpu_worker.sh", "start", "--config=a b", STATUS=status).returncode == 0
    assert _status_after(worker, "running") == status
    log = (tmp_path / "hclip" / "training.log").read_text()
    assert log == "arguments <-u><-m><hclip_jax.main><--config=a b>\n"


def test_stop_is_an_interruption_and_one_training_runs_at_a_time(worker: Stubs, tmp_path: Path) -> None:
    assert worker.run("tpu_worker.sh", "stop").returncode == 0
    worker.run("tpu_worker.sh", "start", "--config=tiny", STATUS="wait")
    _wait_for(tmp_path / "started")
    assert worker.run("tpu_worker.sh", "status").stdout == "running\n"
    for command in ("idle", "start"):
        refused = worker.run("tpu_worker.sh", command, "--config=tiny", STATUS="0")
        assert refused.returncode == 2
        assert refused.stderr.startswith("error: a training runs on ")
    assert worker.run("tpu_worker.sh", "stop").returncode == 0
    assert worker.run("tpu_worker.sh", "status").stdout == "130\n"
    assert worker.run("tpu_worker.sh", "idle").returncode == 0


def test_a_training_that_does_not_end_is_killed(worker: Stubs, tmp_path: Path) -> None:
    worker.add("python", 'trap "" INT; touch "$STUB_FOLDER/started"; sleep 20', records=False)
    worker.run("tpu_worker.sh", "start", "--config=tiny")
    _wait_for(tmp_path / "started")
    assert worker.run("tpu_worker.sh", "stop", STOP_SECONDS="1").returncode == 0
    assert _status_after(worker, "running") == "137"


def test_wrong_use_is_one_sentence(worker: Stubs) -> None:
    done = worker.run("tpu_worker.sh", "fly")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the command is 'fly'; see ")


def _status_after(worker: Stubs, before: str) -> str:
    for _ in range(100):
        status = worker.run("tpu_worker.sh", "status").stdout.strip()
        if status != before:
            return status
        time.sleep(0.05)
    raise TimeoutError(before)


def _wait_for(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.05)
    raise TimeoutError(path)
