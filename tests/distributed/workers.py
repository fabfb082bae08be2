"""Trainings of several processes on the loopback, with the micro model."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

CONFIG = "from tests.small_models import micro_dict as get_config\n"
ROOT = Path(__file__).parents[2]


class Worker(NamedTuple):
    """A process and the file with its output."""

    process: subprocess.Popen[bytes]
    output: Path

    def text(self) -> str:
        return self.output.read_text()


def start(
    folder: Path,
    count: int,
    devices: int,
    arguments: Sequence[str],
    own: Mapping[int, Sequence[str]] | None = None,
) -> list[Worker]:
    """Starts the workers of a training.

    Args:
        folder: gets the configuration, the work directory "run" and the output of each worker.
        count: number of processes.
        devices: of each process.
        arguments: of `hclip train`, for all.
        own: more arguments of some processes.
    """
    folder.mkdir(exist_ok=True)
    (folder / "micro.py").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    workers = []
    for index in range(count):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "JAX_NUM_CPU_DEVICES": str(devices),
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(index),
        }
        command = [sys.executable, "-m", "hclip_jax.main", f"--config={folder / 'micro.py'}"]
        command += [f"--workdir={folder / 'run'}", *arguments, *(own or {}).get(index, ())]
        output = folder / f"output_{index}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=file, stderr=subprocess.STDOUT
            )
        workers.append(Worker(process, output))
    return workers


def wait(workers: Sequence[Worker], seconds: float = 300) -> list[int]:
    """The exit statuses, negative for a signal; kills what is left after `seconds`."""
    deadline = time.monotonic() + seconds
    try:
        return [worker.process.wait(max(0, deadline - time.monotonic())) for worker in workers]
    finally:
        for worker in workers:
            worker.process.kill()


def wait_until(condition: Callable[[], bool], workers: Sequence[Worker], seconds: float = 300) -> None:
    """Waits for a condition while all workers run."""
    deadline = time.monotonic() + seconds
    while not condition():
        ended = [worker for worker in workers if worker.process.poll() is not None]
        if ended or time.monotonic() > deadline:
            wait(workers, 0.1 if ended else 0)
            raise AssertionError("\n".join(worker.text() for worker in workers))
        time.sleep(0.05)


def send(worker: Worker, number: signal.Signals) -> None:
    """Sends a signal to one worker."""
    worker.process.send_signal(number)
