"""Reads videos frame by frame, with PyAV (the extra `video`)."""

import contextlib
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.images.open_image import MAX_MEGAPIXELS, check_size
from hclip_jax.io.substitutes import check_file

VIDEO_SUFFIXES = frozenset(
    (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv")
)
# Whatever a file is named: others of FFmpeg's formats, such as playlists, open further files and addresses.
_FORMATS = "asf,avi,matroska,webm,mov,mp4,m4a,3gp,mpeg,mpegts,mpegvideo,ogg"
_MAX_PIXELS = 2**31 - 1  # of FFmpeg


class Frame(NamedTuple):
    """An image of a video."""

    image: np.ndarray  # uint8 [H, W, 3] RGB, upright
    time: int  # from the first frame on, in units of the video's `time_base`


class Video:
    """An open video; at most a few of its frames are in memory.

    Attributes:
        size: (height, width) of an upright frame.
        rate: mean number of frames a second.
        time_base: seconds of a unit of `Frame.time`.
        num_frames: the number of frames by the file's header, which may be wrong; None = unknown.
        problem: why the video breaks off, known after its last frame; "" if it does not.
    """

    def __init__(self, container: Any, path: Path) -> None:
        """Decodes the first frame of an open container of PyAV, which has the size and the orientation."""
        stream = container.streams.video[0]
        self._decoded = container.decode(stream)
        first = next(self._decoded, None)
        if first is None:
            raise UserError(f"{path} has no frame that can be decoded; give a whole video")
        self._first, self._stored_size = first, (first.height, first.width)
        self._quarter_turns = round(first.rotation / 90) % 4
        self.size = self._stored_size[::-1] if self._quarter_turns % 2 else self._stored_size
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        self.time_base = Fraction(stream.time_base or 1 / self.rate)
        self._duration: int = stream.duration or 0  # in units of the time base; 0 = unknown
        self.num_frames = stream.frames or round(self._duration * self.time_base * self.rate) or None
        self.problem = ""

    def frames(self) -> Iterator[Frame]:
        """Yields the frames once. Where the file is damaged they end, and `problem` says why."""
        import av

        step = 1 / (self.rate * self.time_base)
        time, start, end = -1, None, Fraction(0)
        try:
            for index, frame in enumerate(itertools.chain([self._first], self._decoded)):
                stamp = round(index * step) if frame.pts is None else frame.pts
                start = stamp if start is None else start
                time = max(time + 1, stamp - start)  # damaged files go back in time
                end = time + (frame.duration or step)
                yield Frame(self._to_array(frame), time)
        except av.FFmpegError as error:
            self.problem = _reason(error)
        else:
            if self._duration - end > max(2 * step, self._duration / 50):
                there, whole = (float(x * self.time_base) for x in (end, self._duration))
                self.problem = f"{there:.1f} of {whole:.1f} s are there"

    def _to_array(self, frame: Any) -> np.ndarray:
        height, width = self._stored_size  # of all frames, though a stream may change its size
        image = frame.to_ndarray(format="rgb24", height=height, width=width)
        return np.ascontiguousarray(np.rot90(image, self._quarter_turns))


def check_video_library() -> None:
    """Raises UserError if PyAV is not installed."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise UserError(
            "videos need PyAV, which is not installed; run pip install 'hclip_jax[video]'"
        ) from error


@contextlib.contextmanager
def open_video(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> Iterator[Video]:
    """Opens a video file.

    Raises:
        UserError: PyAV is not installed, or the file is missing, no video of a known format, without a frame
            that can be decoded, or its frames are larger than `max_megapixels`.
    """
    check_video_library()
    import av

    check_file(path, "give a video that you may read")
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    with contextlib.ExitStack() as stack:
        try:
            container = stack.enter_context(
                av.open(f"file:{path}", options=options, metadata_errors="replace")
            )
            if not container.streams.video:
                raise UserError(f"{path} holds no images, only sound or text; give a video")
            context = container.streams.video[0].codec_context
            check_size((context.height, context.width), str(path), max_megapixels)
            context.options = {"max_pixels": str(int(min(max_megapixels * 1e6, _MAX_PIXELS)))}
            context.thread_type = "AUTO"
            video = Video(container, path)
        except UserError:
            raise
        except Exception as error:  # FFmpegError, and others for damaged headers
            raise UserError(
                f"cannot read {path} as a video ({_reason(error)}): replace the file, or convert it to MP4"
            ) from error
        yield video


def _reason(error: Exception) -> str:
    """FFmpeg's reason, without its number and the path."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:100] or type(error).__name__
