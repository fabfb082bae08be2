import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hclip_jax.datasets.workers import num_workers, ordered_map
from hclip_jax.errors import UserError


def kill(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_the_order_is_kept_and_work_is_bounded() -> None:
    taken = []

    def items():
        for number in range(40):
            taken.append(number)
            yield number

    results = ordered_map(abs, items(), 2)
    assert next(results) == 0
    assert len(taken) <= 8
    assert list(results) == list(range(1, 40))


def test_a_killed_worker_is_reported() -> None:
    with pytest.raises(UserError, match="a process that reads images was killed"):
        list(ordered_map(kill, range(10), 1))


def test_little_work_needs_no_processes() -> None:
    assert num_workers(10) == 0
    assert num_workers(1_000_000) <= 16


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from hclip_jax.datasets.workers import ordered_map\n"
        "from tests.datasets.test_workers import report_and_sleep\n"
        "if __name__ == '__main__':\n"
        f"    list(ordered_map(report_and_sleep, [{str(tmp_path)!r}] * 2, 2))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, script], env=environment)
    deadline = time.monotonic() + 60
    while len(pids := [int(path.stem) for path in tmp_path.glob("*.pid")]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while any(
        Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def report_and_sleep(folder: str) -> None:
    Path(folder, f"{os.getpid()}.pid").touch()
    time.sleep(600)
