"""Trainings of several processes on the loopback, with the micro model, and what they leave."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hclip_jax.training.pace import VOLATILE

CONFIG = "from tests.small_models import micro_dict as get_config\n"
ROOT = Path(__file__).parents[2]
MAIN = """
from hclip_jax.main import main
from hclip_jax.tools.command_line import run
sys.exit(run(main, sys.argv[1:]))
"""


class Worker(NamedTuple):
    """A process and the file with its output."""

    process: subprocess.Popen[bytes]
    output: Path

    def text(self) -> str:
        return self.output.read_text()

    def errors(self) -> list[str]:
        """The sentences on errors."""
        return [line for line in self.text().splitlines() if line.startswith("error: ")]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


STARTED: list[Worker] = []  # by the test that runs; conftest.py ends what it leaves


def start(
    folder: Path,
    count: int,
    devices: int,
    arguments: Sequence[str] = (),
    *,
    own: Mapping[int, Sequence[str]] | None = None,
    before: Mapping[int, str] | None = None,
    folders: Sequence[Path] = (),
    started: Sequence[int] = (),
) -> list[Worker]:
    """Starts the workers of a training.

    Args:
        folder: gets the configuration, the work directory "run" and the output of each worker.
        count: number of processes.
        devices: of each process.
        arguments: of `hclip train`, for all.
        own: more arguments of some processes.
        before: code that some processes run before the command.
        folders: current folder of each process; `folder` by default.
        started: which processes to start; all by default.
    """
    folder.mkdir(exist_ok=True)
    (folder / "micro.py").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    workers = []
    for index in started or range(count):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JAX_NUM_CPU_DEVICES": str(devices),
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(index),
        }
        code = (before or {}).get(index, "")
        command = [
            sys.executable,
            *(["-c", f"import sys\n{code}{MAIN}"] if code else ["-m", "hclip_jax.main"]),
        ]
        command += [f"--config={folder / 'micro.py'}", f"--workdir={folder / 'run'}", *arguments]
        command += (own or {}).get(index, ())
        output = folder / f"output_{index}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=folders[index] if folders else folder,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        workers.append(Worker(process, output))
    STARTED.extend(workers)
    return workers


def wait(workers: Sequence[Worker], seconds: float = 400) -> list[int]:
    """The exit statuses, negative for a signal; kills what is left after `seconds`."""
    deadline = time.monotonic() + seconds
    try:
        return [worker.process.wait(max(0, deadline - time.monotonic())) for worker in workers]
    finally:
        end(workers)


def end(workers: Sequence[Worker]) -> None:
    """Kills what still runs and waits for it: one that nobody waited for is a warning of a later test."""
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


def wait_until(condition: Callable[[], bool], workers: Sequence[Worker], seconds: float = 400) -> None:
    """Waits for a condition while all workers run."""
    deadline = time.monotonic() + seconds
    while not condition():
        ended = [worker for worker in workers if worker.process.poll() is not None]
        if ended or time.monotonic() > deadline:
            time.sleep(1 if ended else 0)
            end(workers)
            raise AssertionError("\n".join(worker.text() for worker in workers))
        time.sleep(0.05)


def records(folder: Path) -> list[dict]:
    """The lines of metrics.jsonl that do not depend on the run: without starts, ends, times and memory."""
    path = folder / "run/metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [
        {name: value for name, value in line.items() if name not in VOLATILE}
        for line in lines
        if not {"start", "end"} & line.keys()
    ]


def losses(folder: Path) -> dict[int, float]:
    """The loss of each step, as far as it is logged."""
    return {record["step"]: record["loss"] for record in records(folder) if "loss" in record}
