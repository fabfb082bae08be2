"""Worker processes of every kind end with a killed parent."""

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.io.worker import kill_workers

MAP = """
from hclip_jax.datasets.workers import ordered_map
list(ordered_map(report_and_sleep, [sys.argv[1]] * 2, 2))
"""
LOADER = """
from hclip_jax.data.loader import train_batches
next(train_batches(Reporting(sys.argv[1]), batch_size=1, crop_size=8, seed=0, num_workers=2))
"""
BENCHMARK = """
from hclip_jax.analysis.benchmark.measure import _in_new_process
_in_new_process(report_and_sleep, sys.argv[1])
"""


@pytest.mark.parametrize(
    ("work", "num_workers"), [(MAP, 2), (LOADER, 2), (BENCHMARK, 1)], ids=["map", "loader", "benchmark"]
)
def test_workers_end_with_a_killed_parent(work: str, num_workers: int, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    start = (
        "import sys\nfrom tests.io.test_worker import Reporting, report_and_sleep\nif __name__ == '__main__':"
    )
    script.write_text(start + work.replace("\n", "\n    ") + "\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, script, tmp_path], env=environment)
    deadline = time.monotonic() + 60
    while len(pids := [int(path.stem) for path in tmp_path.glob("*.pid")]) < num_workers:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while any(_is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_workers_do_not_finish_their_work() -> None:
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    future = pool.submit(time.sleep, 600)
    while not multiprocessing.active_children():
        time.sleep(0.01)
    kill_workers()
    assert future.exception(60) is not None
    pool.shutdown()


def report_and_sleep(folder: str) -> None:
    Path(folder, f"{os.getpid()}.pid").touch()
    time.sleep(600)


class Reporting:
    """A source whose first image never comes."""

    class_names = ("one",)

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> dict[str, object]:
        report_and_sleep(self._folder)
        return {"image": np.zeros((8, 8, 3), np.uint8), "label": np.zeros((8, 8), np.int32), "name": ""}

    def digest(self) -> str:
        return ""


def _is_running(pid: int) -> bool:
    line = Path(f"/proc/{pid}/cmdline")
    return line.exists() and bool(line.read_bytes())
