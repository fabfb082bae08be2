"""The files of `hclip segment`: all of an image or none, and none twice."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.segment_results import Command, fill_disk_at, names, written

RNG = np.random.default_rng(0)


def test_only_the_unusable_images_are_skipped(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos.parent / "out"
    (out / "b [1].json").mkdir(parents=True)
    os.mkfifo(photos / "pipe.png")
    long, odd = photos / ("n" * 247 + ".png"), os.fsdecode(os.fsencode(photos) + b"/c\xff.png")
    for path in (long, Path(odd)):
        Image.fromarray(RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    (photos / "loop.png").symlink_to("loop.png")
    usual = [photos / "a.png", photos / "b [1].PNG", photos / "pipe.png", long, odd, "/dev/zero"]
    assert segment(*usual, photos / "c.jpg") == 1
    stdout, err = capsys.readouterr()
    assert err == ""
    *lines, last = stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["skipped"] * 4
    assert "b [1].json is a folder; remove the folder or rename the image" in lines[0]
    assert "pipe.png as an image: it is a device or pipe" in lines[1]
    assert "its result NAME_overlay.png cannot be written" in lines[2]
    assert "(File name too long); rename it" in lines[2]
    assert "/dev/zero as an image: it is a device or pipe" in lines[3]
    assert last.startswith("3 of 7 images are segmented")
    (out / "b [1].json").rmdir()
    assert written(photos) == names("a", "c", os.fsdecode(b"c\xff"))
    summary = json.loads((out / os.fsdecode(b"c\xff.json")).read_text(encoding="utf-8"))
    assert os.fsencode(summary["image"]) == os.fsencode(odd)


def test_a_full_disk_keeps_the_finished_results(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_disk_at("b [1].png", monkeypatch)
    assert segment(photos) == 2
    out, err = capsys.readouterr()
    assert out == f"1 of 3 images are segmented, in {photos.parent / 'out'}/\n"
    assert err.startswith(f"error: {photos.parent / 'out/b [1].png'} cannot be written (No space left")
    assert err.count("\n") == 1
    assert written(photos) == names("a")  # and nothing of the image that was not finished


@pytest.mark.parametrize("second", ["a.jpg", "a_overlay.png"])
def test_two_images_of_one_name_are_refused(
    segment: Command, photos: Path, second: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = photos / "more" / second
    other.parent.mkdir()
    Image.new("RGB", (4, 4)).save(other)
    assert segment(photos / "a.png", other) == 2
    err = capsys.readouterr().err
    assert f"{photos / 'a.png'} and {other} would both be written to" in err
    assert not written(photos)
