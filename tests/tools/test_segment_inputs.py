"""The images that `hclip segment` takes from its arguments or standard input; `--template`."""

import base64
import functools
import io
import json
import shutil
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
from tests.tools.segment_results import Command, names, written

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


def segment_given(folder: Path, *arguments: str) -> int:
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
    assert segment_given(tmp_path, "-", str(tmp_path / "a.png"), "-", "--formats=polygons") == 0
    assert capsys.readouterr().out == f"2 of 2 images are segmented, in {tmp_path / 'out'}/\n"
    out = tmp_path / "out"
    assert (out / "stdin.png").read_bytes() == (out / "a.png").read_bytes()
    assert (out / "stdin_overlay.png").read_bytes() == (out / "a_overlay.png").read_bytes()
    assert json.loads((out / "stdin.json").read_text())["image"] == "/dev/stdin"
    shapes = json.loads(
        (out / "polygons/stdin.json").read_text()
    )  # LabelMe finds the image in the file itself
    with Image.open(io.BytesIO(base64.b64decode(shapes["imageData"]))) as image:
        np.testing.assert_array_equal(np.asarray(image), trained.RGB)
    assert shapes["imagePath"] == "stdin"
    assert json.loads((out / "polygons/a.json").read_text())["imageData"] is None
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
    assert segment_given(tmp_path, "-", "--max_megapixels=0.05") == 1
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
        segment_given(
            tmp_path, str(tmp_path / "a.png"), "--probabilities", *(f"--template={t}" for t in templates)
        )
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


def test_each_image_is_segmented_once(segment: Command, photos: Path) -> None:
    assert segment(photos / "*.png", photos / "a.png", photos / "?.jpg", "--classes=cat") == 0
    assert written(photos) == names("a", "c")
    # An existing file is not used as a pattern.
    assert segment(photos / "b [1].PNG", "--classes=cat") == 0
    assert written(photos) == names("a", "b [1]", "c")


def test_what_a_folder_holds_besides_images_is_said(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "d.jpg").symlink_to("/gone/d.jpg")
    (photos / "e.heic").touch()
    (photos / "more").mkdir()
    shutil.copy(photos / "a.png", photos / "more")
    assert segment(photos) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (
        f"left out of {photos}: dead links (d.jpg -> /gone/d.jpg), images of other formats (e.heic), folders "
        f"with images (more)\n3 of 4 images are segmented, in {photos.parent / 'out'}/\n"
    )


def test_the_folder_of_results_is_not_named(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert segment(photos, f"--output={photos / 'out'}") == 0
        assert capsys.readouterr().out.startswith("3 of 3 images are segmented")


def test_remarks_on_an_image_are_said(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = np.linspace(0, 4095, 30 * 40).reshape(30, 40).astype(np.uint16)
    Image.fromarray(wide).save(photos / "a.png")
    frame = Image.new("RGB", (40, 30))
    frame.save(photos / "b.gif", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")])
    assert segment(photos / "a.png", photos / "b.gif") == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{photos / 'a.png'} uses 12 of 16 bits: its values are scaled by their range, 0 to 4095",
        f"{photos / 'b.gif'} has several pages or frames, of which only the first is used",
    ]
