"""Videos: read upright frame by frame, and written with the same times."""

import importlib.util
import math
import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.images.video import check_video_library, open_video
from hclip_jax.images.video_writer import VideoWriter
from tests.video_files import BACKGROUND, BAR, frame_image, turn, write_video

needs_av = pytest.mark.skipif(
    importlib.util.find_spec("av") is None,
    reason="PyAV is not installed (the extra video)",
)
CLOSE = 25  # H.264 and the conversion of colours change a value by no more


@needs_av
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9")])
def test_frames_are_those_that_were_written(name: str, codec: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / name, codec=codec)
    with open_video(path) as video:
        assert video.size == (48, 64)
        assert abs(float(video.rate) - 29.97) < 0.01
        frames = list(video.frames())
        assert video.num_frames in (6, None)
        assert video.problem == ""
    assert len(frames) == 6
    for index, frame in enumerate(frames):
        assert frame.image.dtype == np.uint8
        difference = np.abs(frame.image.astype(int) - frame_image(index, 48, 64))
        assert np.percentile(difference, 90) < CLOSE  # but at the edges of the bar
    seconds = [float(frame.time * video.time_base) for frame in frames]
    np.testing.assert_allclose(seconds, np.arange(6) / 29.97, atol=1e-3)


@needs_av
def test_a_video_of_a_phone_is_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "phone.mp4")
    turn(path)
    with open_video(path) as video:
        assert video.size == (64, 48)
        first = next(video.frames()).image
    expected = np.rot90(frame_image(0, 48, 64), -1)
    assert np.percentile(np.abs(first.astype(int) - expected), 90) < CLOSE
    assert np.abs(first[2, 10].astype(int) - BAR).max() < CLOSE
    assert np.abs(first[-2, 10].astype(int) - BACKGROUND).max() < CLOSE


@needs_av
@pytest.mark.parametrize("delays", [(), (0, 0, 700, 0, 0, 0)], ids=["constant rate", "as of a phone"])
def test_the_written_video_has_times_rate_and_size(delays: tuple[int, ...], tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", delays=delays)
    with (
        open_video(path) as source,
        VideoWriter(tmp_path / "b.mp4", source.rate, source.time_base) as writer,
    ):
        frames = list(source.frames())
        for frame in frames:
            writer.write(frame.image[:-1, :-1], frame.time)  # an odd size becomes even again
    with open_video(tmp_path / "b.mp4") as copy:
        assert (copy.size, copy.num_frames) == ((48, 64), 6)
        assert abs(copy.rate / source.rate - 1) < (0.05 if delays else 1e-9)
        times = [frame.time * copy.time_base for frame in copy.frames()]
    assert times == [frame.time * source.time_base for frame in frames]
    assert (times[2] - times[1] > Fraction(1, 27)) == bool(delays)


@needs_av
def test_files_that_are_no_videos_are_refused_in_a_sentence(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4").read_bytes()
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"
    for content, reason in (
        (b"", "is empty"),
        (b"<!doctype html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (b"hello " * 100, "as a video (Invalid data"),
        (whole[: len(whole) // 2], "as a video (Invalid data"),  # the index, at the end, is lost
        (playlist, "as a video (Invalid data"),  # no address is opened
    ):
        path = tmp_path / "clip.mp4"
        path.write_bytes(content)
        with pytest.raises(UserError) as caught, open_video(path):
            pass
        assert str(caught.value).startswith(("cannot read " + str(path), str(path)))
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UserError, match="is a device or pipe"), open_video(tmp_path / "pipe.mp4"):
        pass


@needs_av
def test_too_large_frames_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    with pytest.raises(UserError, match="has 64 x 48 pixels"), open_video(path, max_megapixels=0.001):
        pass
    with open_video(path, max_megapixels=math.inf) as video:
        assert video.size == (48, 64)


@needs_av
def test_a_damaged_video_ends_where_it_is_damaged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", num_frames=40)
    with open_video(path) as video, VideoWriter(tmp_path / "b.mp4", video.rate, video.time_base) as writer:
        for frame in video.frames():
            writer.write(frame.image, frame.time)
    content = (tmp_path / "b.mp4").read_bytes()  # its index is at the start
    path.write_bytes(content[: int(0.8 * len(content))])
    with open_video(path) as video:
        count = len(list(video.frames()))
    assert 1 <= count < 40
    assert video.problem == f"{count / 29.97:.1f} of 1.3 s are there"


@needs_av
def test_an_exception_closes_the_file(tmp_path: Path) -> None:
    def write(path: Path, interrupted: bool) -> None:
        with VideoWriter(path, Fraction(25), Fraction(1, 25)) as writer:
            writer.write(frame_image(0, 48, 64), 0)
            if interrupted:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.mp4", interrupted=True)
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "no/a.mp4", interrupted=False)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install 'hclip_jax\[video\]'"):
        check_video_library()
    with pytest.raises(UserError, match="PyAV"), open_video(tmp_path / "a.mp4"):
        pass
