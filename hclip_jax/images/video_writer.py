"""Writes videos frame by frame, with PyAV (the extra `video`)."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.images.image_io import format_size

_BT709 = 1  # FFmpeg's number of that colour space
_MAX_SIDE = 16384  # pixels, of the H.264 encoder


def written_size(size: tuple[int, int], path: Path) -> tuple[int, int]:
    """The (height, width) of the frames of the result: even, as players want it.

    Args:
        size: (height, width) of the frames.
        path: the video, for the message.

    Raises:
        UserError: H.264 cannot hold them.
    """
    if max(size) > _MAX_SIDE:
        raise UserError(
            f"{path} has frames of {format_size(size)} pixels, but the result is in H.264, which holds at "
            f"most {_MAX_SIDE:,} pixels a side; scale the video down, such as with ffmpeg -vf scale=1920:-2"
        )
    return size[0] + size[0] % 2, size[1] + size[1] % 2


class VideoWriter:
    """A file in MP4 (H.264, no sound). It is whole when the block ends; what an exception leaves is no video.

    Its methods raise OSError if the file cannot be written.
    """

    def __init__(self, path: Path, rate: Fraction, time_base: Fraction) -> None:
        """Prepares the file, which is created with the first frame.

        Args:
            path: the file.
            rate: mean number of frames a second.
            time_base: seconds of a unit of the frames' times.
        """
        self._path, self._rate, self._time_base = path, rate, time_base
        self._container: Any = None  # open from the first frame on
        self._stream: Any = None

    def write(self, image: np.ndarray, time: int) -> None:
        """Appends a frame.

        Args:
            image: uint8 [H, W, 3] RGB, of the size of the first. Players want even sizes: of an odd one the
                last row or column is repeated.
            time: larger than that of the frame before.
        """
        import av

        height, width = image.shape[:2]
        even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        try:
            container = self._container or self._open(even.shape[0], even.shape[1])
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709)
            frame.pts, frame.time_base = time, self._time_base
            container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise _os_error(error) from error

    def _open(self, height: int, width: int) -> Any:
        import av

        # The index comes first, so that browsers play the file while they load it.
        self._container = av.open(str(self._path), "w", format="mp4", options={"movflags": "faststart"})
        self._stream = self._container.add_stream("libx264", rate=self._rate)
        context = self._stream.codec_context
        context.height, context.width, context.pix_fmt = height, width, "yuv420p"
        context.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        return self._container

    def __enter__(self) -> Self:
        """Returns the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the file, with the frames that the encoder holds unless an exception ends the block."""
        import av

        if self._container is None:
            return
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except av.FFmpegError as failure:
            if kind is None:
                raise _os_error(failure) from failure


def _os_error(error: Any) -> OSError:
    return OSError(error.errno, str(error.strerror or error))
