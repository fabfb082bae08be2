"""Small videos, written by PyAV."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

BACKGROUND, BAR = (200, 40, 60), (30, 200, 50)


def frame_image(index: int, height: int, width: int) -> np.ndarray:
    """A frame: a bar that moves to the right by 4 pixels."""
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    image[:, 4 * index : 4 * index + 8] = BAR
    return image


def write_video(
    path: Path,
    num_frames: int = 6,
    size: tuple[int, int] = (48, 64),
    rate: Fraction = Fraction(30000, 1001),
    codec: str = "libx264",
    delays: tuple[int, ...] = (),
) -> Path:
    """Writes a video whose first frame is late, as that of many cameras; `delays` are in 1/90000 s."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"bf": "0"})
        context, time_base = stream.codec_context, Fraction(1, 90000)
        context.height, context.width = size
        context.pix_fmt, context.time_base = "yuv420p", time_base
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(frame_image(index, *size), format="rgb24")
            delay = delays[index] if delays else 0
            frame.pts, frame.time_base = round(index / rate / time_base) + 900 + delay, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(path: Path) -> None:
    """Marks a video in MP4 to be shown turned to the right, as phones do, by the matrix of its track."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 44
    content[start : start + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
