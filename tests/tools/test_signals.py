"""SIGTERM ends commands as Ctrl-C does: what is temporary is removed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hclip_jax.tools.cli import COMMANDS
from hclip_jax.tools.signals import orderly_end

# A command that waits in the middle of writing a file.
WAITING = """
import sys, threading
from pathlib import Path
from hclip_jax.io.files import replace_atomically
from hclip_jax.tools.command_line import run
from hclip_jax.tools.signals import orderly_end

@orderly_end()
def main(argv):
    with replace_atomically(Path(argv[0])) as temporary:
        temporary.write_text("half")
        print("waiting", flush=True)
        threading.Event().wait()

sys.exit(run(main, sys.argv[1:], uses_jax=False))
"""


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """Tests that run under nohup, which ignores SIGHUP, too."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_half_file(number: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WAITING, tmp_path / "file.txt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(number)
            assert process.communicate(timeout=60) == ("", "")
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_the_process_at_once() -> None:
    during: list[object] = []

    @orderly_end()
    def command() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            during.extend(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP))

    with pytest.raises(SystemExit) as end:
        command()
    assert end.value.code == 143
    assert during == [signal.SIG_DFL, signal.SIG_DFL]


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with orderly_end():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_another_thread_is_left_alone() -> None:
    ended: list[str] = []

    @orderly_end()
    def command() -> None:
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ended.append("done")

    thread = threading.Thread(target=command)
    thread.start()
    thread.join()
    assert ended == ["done"]


@pytest.mark.parametrize(
    "name", ["segment", "demo", "prepare", "check", "convert", "merge", "push", "benchmark"]
)
def test_commands_that_write_end_in_order(name: str) -> None:
    module = __import__(COMMANDS[name].module, fromlist=["main"])
    assert module.main.__wrapped__.__module__ == module.__name__
