"""The service of JAX beside process 0: its port, and how long it stays."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from hclip_jax import coordinator
from hclip_jax.coordinator import Coordinator
from hclip_jax.errors import UserError

TIMEOUTS = {"heartbeat_timeout": 100, "shutdown_timeout": 5}


def serves(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_port_in_use_is_one_sentence(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "_PORT_SECONDS", 0.1)
    message = f"another program serves at port {port} .*choose another port"
    with socket.create_server(("127.0.0.1", port)), pytest.raises(UserError, match=message):
        Coordinator(f"127.0.0.1:{port}", 1, **TIMEOUTS)


def test_it_outlives_signals_and_ends_with_the_training(port: int) -> None:
    service = Coordinator(f"127.0.0.1:{port}", 1, **TIMEOUTS)
    assert Coordinator.current is service
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(service._process.pid, number)
    time.sleep(0.2)
    assert serves(port)
    service.shutdown()
    assert service._process.returncode == 0
    assert Coordinator.current is None
    assert not serves(port)


def test_it_stays_for_some_time_where_process_0_was_killed(port: int) -> None:
    code = (
        "import sys, time; from hclip_jax.coordinator import Coordinator; "
        f"print(Coordinator('127.0.0.1:{port}', 2, heartbeat_timeout=100, shutdown_timeout=5)._process.pid, "
        "flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process_0:
        assert process_0.stdout is not None
        service = int(process_0.stdout.readline())
        process_0.kill()
    time.sleep(1)
    assert serves(port)
    os.kill(service, signal.SIGKILL)
