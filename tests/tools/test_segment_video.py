"""`hclip segment` for videos."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

from hclip_jax import Segmenter
from hclip_jax.images.video import open_video
from hclip_jax.inference.frame_overlay import FrameOverlay
from hclip_jax.tools.command_line import run
from hclip_jax.tools.segment import main
from tests import trained
from tests.tools import calling
from tests.tools.calling import Capture
from tests.video_files import write_video

refused = functools.partial(calling.refuse, main)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    segmenter = trained.segmenter()
    monkeypatch.setattr(Segmenter, "load", lambda *_: segmenter)
    return segmenter


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    pytest.importorskip("av", reason="PyAV is not installed (the extra video)")
    return write_video(tmp_path / "clip.mp4", size=(80, 96))


def segment(path: Path, *more: str) -> int:
    usual = ("--model=any", "--fast", "--classes=cat,sky", f"--output={path.parent / 'out'}")
    return run(main, [str(path), *more, *usual])


def test_each_frame_is_painted(clip: Path, model: Segmenter, capsys: Capture) -> None:
    assert segment(clip, "--background=wall", "--opacity=0.4", "--batch_size=4") == 0
    target = clip.parent / "out/clip_overlay.mp4"
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (f"{clip}: 6 frames are segmented, in {target} (96 x 80 pixels, 29.97 frames a second)\n")
    assert [path.name for path in target.parent.iterdir()] == ["clip_overlay.mp4"]
    with open_video(clip) as source, open_video(target) as copy:
        assert (copy.size, copy.rate, copy.num_frames) == (source.size, source.rate, 6)
        pairs = list(zip(source.frames(), copy.frames(), strict=True))
    overlay = FrameOverlay(("cat", "sky", "background"), 0.4)
    for before, after in pairs:
        assert before.time * source.time_base == after.time * copy.time_base
        ids = model(before.image, ["cat", "sky"], background=["wall"], fast=True).ids
        difference = np.abs(overlay.paint(before.image, ids) - after.image.astype(int))
        assert np.median(difference) < 12  # labels of noise are hard to compress
        assert np.median(np.abs(before.image - after.image.astype(int))) > 24


def test_every_second_frame(clip: Path, capsys: Capture) -> None:
    assert segment(clip, "--every=2") == 0
    assert "3 frames are segmented" in capsys.readouterr().out
    with open_video(clip.parent / "out/clip_overlay.mp4") as video:
        times = [float(frame.time * video.time_base) for frame in video.frames()]
    np.testing.assert_allclose(times, np.arange(3) * 2 / 29.97, atol=1e-4)


def test_the_size_is_that_of_the_result(clip: Path, capsys: Capture) -> None:
    odd = write_video(clip.with_name("odd.mkv"), 1, size=(79, 95), codec="ffv1")
    assert segment(odd) == 0
    out = capsys.readouterr().out
    assert f"{odd}: 1 frame is segmented, in" in out
    assert "(96 x 80 pixels, " in out
    with open_video(clip.parent / "out/odd_overlay.mp4") as video:
        assert video.size == (80, 96)


def test_frames_that_h264_cannot_hold_are_refused(clip: Path, capsys: Capture) -> None:
    wide = write_video(clip.with_name("wide.avi"), 1, size=(32, 16400), codec="ffv1")
    assert segment(wide) == 1
    assert capsys.readouterr().out == (
        f"skipped: {wide} has frames of 16400x32 pixels, but the result is in H.264, which holds at most "
        "16,384 pixels a side; scale the video down, such as with ffmpeg -vf scale=1920:-2\n"
    )
    assert not (clip.parent / "out/wide_overlay.mp4").exists()


def test_videos_that_cannot_be_read_are_skipped(clip: Path, capsys: Capture) -> None:
    broken = clip.with_name("broken.MP4")
    broken.write_bytes(clip.read_bytes()[:300])
    assert segment(broken, str(clip)) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"skipped: cannot read {broken} as a video (Invalid data")
    assert second.startswith(f"{clip}: 6 frames are segmented")
    assert [path.name for path in (clip.parent / "out").iterdir()] == ["clip_overlay.mp4"]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, 130), (OSError(28, "No space left"), 2)])
def test_an_interrupted_run_leaves_nothing_half_written(
    error: BaseException, status: int, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    write_video(clip, num_frames=80, size=(80, 96))  # of which an encoder holds the last ones
    paint, num_calls = FrameOverlay.paint, 0

    def interrupted(overlay: FrameOverlay, image: np.ndarray, label: np.ndarray) -> np.ndarray:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 75:
            assert list((clip.parent / "out").iterdir())  # the temporary file
            raise error
        return paint(overlay, image, label)

    monkeypatch.setattr(FrameOverlay, "paint", interrupted)
    assert segment(clip) == status
    assert not list((clip.parent / "out").iterdir())
    assert capsys.readouterr().err.count("\n") == 1


def test_wrong_use(clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def message(*arguments: object) -> str:
        return refused(*arguments, "--model=any", f"--output={clip.parent / 'out'}", capture=capsys)

    (clip.parent / "more").mkdir()
    other = write_video(clip.parent / "more/clip.mov")
    assert "would both be written to" in message(clip, other)
    assert "--formats is for images, and " in message(clip, "--formats=coco")
    assert "--probabilities is for images" in message(clip, "--probabilities")
    assert "--every is 0; it must be 1 or more" in message(clip, "--every=0")
    assert "class 'cat' in template" in message(clip, "--classes=cat", f"--template={'a ' * 90}{{}}")
    image = clip.with_suffix(".png")
    image.touch()
    assert "--every is for videos, and none is given" in message(image, "--every=2")
    monkeypatch.setitem(sys.modules, "av", None)
    assert "run pip install 'hclip_jax[video]'" in message(clip)
    assert not (clip.parent / "out").exists()
