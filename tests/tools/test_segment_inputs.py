"""`hclip segment -` and `hclip segment --template`."""

import functools
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax import Segmenter
from hclip_jax.tools import segment_inputs
from hclip_jax.tools.command_line import run
from hclip_jax.tools.segment import main
from tests import trained
from tests.tools import calling
from tests.tools.calling import Capture

refused = functools.partial(calling.refuse, main)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    segmenter = trained.segmenter()
    monkeypatch.setattr(Segmenter, "load", lambda *_: segmenter)
    return segmenter


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch):
    """Sets the bytes of standard input."""
    return lambda content: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def segment(folder: Path, *arguments: str) -> int:
    usual = (
        "--model=any",
        "--fast",
        f"--output={folder / 'out'}",
        f"--classes={','.join(trained.CLASS_NAMES[::2])}",
    )
    return run(main, [*arguments, *usual])


def test_standard_input(give, model: Segmenter, tmp_path: Path, capsys: Capture) -> None:
    Image.fromarray(trained.RGB).save(tmp_path / "a.png")
    give((tmp_path / "a.png").read_bytes())
    assert segment(tmp_path, "-", str(tmp_path / "a.png"), "-", "--formats=polygons") == 0
    assert capsys.readouterr().out == f"2 of 2 images are segmented, in {tmp_path / 'out'}/\n"
    out = tmp_path / "out"
    assert (out / "stdin.png").read_bytes() == (out / "a.png").read_bytes()
    assert (out / "stdin_overlay.png").read_bytes() == (out / "a_overlay.png").read_bytes()
    assert json.loads((out / "stdin.json").read_text())["image"] == "/dev/stdin"
    expected = model(trained.RGB, trained.CLASS_NAMES[::2], fast=True)
    np.testing.assert_array_equal(np.asarray(Image.open(out / "stdin.png")), expected.ids)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot read standard input as an image: it is empty"),
        (b"<!doctype html>", "cannot read standard input as an image: it is a web page"),
        (b"hello " * 99, "cannot read standard input as an image (its format is none of BMP"),
        (png(trained.RGB)[:200], "cannot read standard input as an image"),
        (png(np.zeros((300, 300, 3), np.uint8)), "standard input has 300 x 300 pixels"),
        (bytes(5000), "standard input holds more than 1 GB; give the image as a file"),
    ],
    ids=["empty", "web page", "text", "cut", "large", "endless"],
)
def test_standard_input_that_is_no_image(
    content: bytes, reason: str, give, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(segment_inputs, "_MAX_STDIN_BYTES", 4000)
    give(content)
    assert segment(tmp_path, "-", "--max_megapixels=0.05") == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"skipped: {reason}")
    assert last.startswith("0 of 1 images are segmented")
    assert not list((tmp_path / "out").iterdir())


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    for stdin in (Terminal(), None):
        monkeypatch.setattr("sys.stdin", stdin)
        assert "write hclip segment - < photo.jpg" in refused("-", "--model=any", capture=capsys)


def test_templates(model: Segmenter, tmp_path: Path) -> None:
    Image.fromarray(trained.RGB).save(tmp_path / "a.png")
    templates = ("a drawing of a {}", "{} in winter, at night")
    assert (
        segment(tmp_path, str(tmp_path / "a.png"), "--probabilities", *(f"--template={t}" for t in templates))
        == 0
    )
    expected = model(trained.RGB, trained.CLASS_NAMES[::2], fast=True, templates=templates)
    with np.load(tmp_path / "out/a.npz") as file:
        np.testing.assert_array_equal(file["probabilities"], expected.probabilities)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a photo", "template 'a photo' holds \"{}\" 0 times; write it once, in the place of the class name"),
        ("{} {}", "template '{} {}' holds \"{}\" 2 times; write it once"),
        ("", "--template is empty; give a value"),
    ],
)
def test_wrong_templates(template: str, message: str, capsys: Capture) -> None:
    assert message in refused("a.png", "--model=any", f"--template={template}", capture=capsys)
