import threading
import time

import pytest

from hclip_jax.io import progress
from hclip_jax.io.progress import bar, console, duration, waiting


@pytest.mark.parametrize("name", ["[red]a.png", "[/b]", ":cat:.png", "a [1].png", "/1.5/x"])
def test_file_names_are_printed_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.print(name)
    assert capsys.readouterr().out == f"{name}\n"


def test_a_log_file_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SIGN_SECONDS", 0.02)
    out = ""
    with bar() as signs:
        signs.add_task("training", is_logged=True, total=9)  # has lines of its own
        with waiting(signs, "compiling"):
            time.sleep(0.1)
        out += capsys.readouterr().out
        assert out.startswith("compiling, for 0 s so far\n")
        task = signs.add_task("evaluating val", total=40)
        signs.advance(task, 10)
        time.sleep(0.1)
        assert "evaluating val: 10 of 40" in capsys.readouterr().out
        signs.remove_task(task)
    time.sleep(0.05)
    capsys.readouterr()
    time.sleep(0.05)
    assert not capsys.readouterr().out
    assert "hclip-signs" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5990, "1 h 40 min"), (50 * 3600, "2 d 2 h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
