"""A signal to a command ends its child processes in order, and no child stays behind."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hclip_jax.tools.children import STOPPED, Children

# A child that saves at its first signal and dies of a second one.
SAVING = """
import signal, sys, time
def save(number, frame):
    signal.signal(number, signal.SIG_DFL)
    print("saved", flush=True)
    if "slow" not in sys.argv:
        sys.exit(143)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, save)
print("ready", flush=True)
deadline = time.monotonic() + 60  # never waits for ever, whatever the test does
while time.monotonic() < deadline:
    time.sleep(0.1)
"""


def end(logs: list[Path], numbers: list[int], *arguments: str) -> tuple[list[int | None], Children]:
    """The statuses of children that get signals one after the other, when all have answered the last."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}

    def await_(text: str) -> None:
        deadline = time.monotonic() + 60
        while not all(log.exists() and text in log.read_text() for log in logs):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def send() -> None:
        await_("ready")
        for number in numbers:
            os.kill(os.getpid(), number)
            await_("saved")

    def run(log: Path) -> int | None:
        with log.open("w") as file:
            return children.run([sys.executable, "-c", SAVING, *arguments], file)

    sender = threading.Thread(target=send)
    try:
        with Children() as children, ThreadPoolExecutor(len(logs)) as pool:
            futures = [pool.submit(run, log) for log in logs]
            sender.start()
            statuses = [future.result() for future in futures]
    finally:
        sender.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    return statuses, children


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_each_child_gets_the_signal_and_saves(number: int, tmp_path: Path) -> None:
    statuses, children = end([tmp_path / "a", tmp_path / "b"], [number])
    assert statuses == [143, 143]
    assert set(statuses) <= STOPPED
    assert children.status() == 128 + number
    with (tmp_path / "c").open("w") as log:
        assert children.run(["nothing"], log) is None  # none starts any more


def test_a_second_signal_kills(tmp_path: Path) -> None:
    statuses, children = end([tmp_path / "a"], [signal.SIGTERM, signal.SIGTERM], "slow")
    assert statuses == [-signal.SIGKILL]
    assert children.status() == 143


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Children() as children:
            signal.raise_signal(signal.SIGHUP)
            assert not children.is_asked()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_terminals_ctrl_c_reaches_a_child_once() -> None:
    with Children() as children:
        code = f"import os, sys; sys.exit(os.getpgid(0) == {os.getpgid(0)})"
        assert children.run([sys.executable, "-c", code], sys.__stderr__) == 0  # type: ignore[arg-type]
