import importlib.util
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
