import importlib.util
import socket
from pathlib import Path

import pytest

from hclip_jax.tools.demo import main
from tests.tools.calling import Capture, refuse


def test_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    assert "--port is 0" in refuse(main, "--model=x", "--port=0", capture=capsys)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = refuse(main, "--model=x", capture=capsys)
    assert message == (
        "error: hclip demo needs gradio, which is not installed; run pip install 'hclip_jax[demo]'\n"
    )


def test_an_address_that_is_none_or_in_use_is_refused_before_a_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    host = "x" * 100
    assert f"no page can be served at {host}:7860" in refuse(
        main, "--model=none", f"--host={host}", capture=capsys
    )
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = refuse(main, "--model=none", f"--port={port}", capture=capsys)
    assert (
        f"no page can be served at 127.0.0.1:{port} (Address already in use); give another --port" in message
    )
