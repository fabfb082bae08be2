"""local.sh starts processes that find each other, passes signals on, and ends with their status."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.launch.stubs import Stubs

# Prints what a process finds; then ends as its part of STATUSES says, after its part of SECONDS.
PYTHON = r"""
if [ "$1" = -c ]; then echo 4321; exit; fi
end() { kill "$!"; echo "process $JAX_PROCESS_ID: $1"; exit "$2"; }
part() { set -- $1; shift "$JAX_PROCESS_ID"; echo "$1"; }
trap 'end TERM 143' TERM
trap 'end INT 130' INT
trap 'end HUP 143' HUP
echo "process $JAX_PROCESS_ID of $JAX_NUM_PROCESSES at $JAX_COORDINATOR_ADDRESS on $JAX_PLATFORMS" \
  "with $XLA_FLAGS: $(printf '<%s>' "$@")"
touch "$STUB_FOLDER/started_$JAX_PROCESS_ID"
sleep "$(part "$SECONDS_EACH")" >/dev/null 2>&1 &
wait
exit "$(part "$STATUSES")"
"""


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    stubs = Stubs(tmp_path)
    stubs.add("python", PYTHON, records=False)
    return stubs


def test_processes_get_the_same_arguments_and_find_each_other(stubs: Stubs) -> None:
    done = stubs.run(
        "local.sh",
        *("2", "3", "--config=tiny", "--config.head.decoder_dims=(1, 2)"),
        XLA_FLAGS="--xla_force_host_platform_device_count=8",
        STATUSES="0 0",
        SECONDS_EACH="0 0",
    )
    expected = [
        f"process {index} of 2 at 127.0.0.1:4321 on cpu with --xla_force_host_platform_device_count=8 "
        f"--xla_force_host_platform_device_count=3: <-u><-m><hclip_jax.main><--config=tiny>"
        f"<--config.head.decoder_dims=(1, 2)>"
        for index in range(2)
    ]
    assert (done.returncode, sorted(done.stdout.splitlines()), done.stderr) == (0, expected, "")


def test_one_device_is_the_default(stubs: Stubs) -> None:
    done = stubs.run("local.sh", "1", "--config=tiny", STATUSES="0", SECONDS_EACH="0")
    assert re.findall("device_count=([0-9]+):", done.stdout) == ["1"]


@pytest.mark.parametrize(
    ("statuses", "seconds", "status"),
    [
        ("0 0 0", "0 0 0", 0),
        ("2 0 134", "0.5 0 0", 134),
        ("2 0 134", "0 0 0.5", 2),
        ("0 0 143", "0 0 0", 143),
    ],
)
def test_status_is_the_first_in_time_that_is_not_0(
    stubs: Stubs, statuses: str, seconds: str, status: int
) -> None:
    done = stubs.run("local.sh", "3", "--config=tiny", STATUSES=statuses, SECONDS_EACH=seconds)
    assert done.returncode == status


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_signals_go_on_to_all_processes_once(stubs: Stubs, tmp_path: Path, name: str) -> None:
    process = stubs.start("local.sh", "2", "--config=tiny", STATUSES="0 0", SECONDS_EACH="8 8")
    _wait_for(tmp_path / "started_0", tmp_path / "started_1")
    os.kill(process.pid, signal.Signals[f"SIG{name}"])
    out, _ = process.communicate(timeout=20)
    received = sorted(line for line in out.splitlines() if line.endswith(name))
    assert received == [f"process {index}: {name}" for index in range(2)]
    assert process.returncode == (130 if name == "INT" else 143)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the number of processes is ''"),
        (("0", "--config=tiny"), "the number of processes is '0'"),
        (("2", "x", "--config=tiny"), "the number of devices is 'x'"),
        (("2", "4"), "the arguments of the training are missing"),
    ],
)
def test_wrong_use_is_one_sentence(stubs: Stubs, arguments: tuple[str, ...], message: str) -> None:
    done = stubs.run("local.sh", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}; give PROCESSES [DEVICES]")


def _wait_for(*paths: Path) -> None:
    for _ in range(200):
        if all(path.exists() for path in paths):
            return
        time.sleep(0.05)
    raise TimeoutError(paths)
