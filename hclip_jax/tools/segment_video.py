"""`hclip segment` for videos: an overlay video, a frame at a time."""

import argparse
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.progress import Progress

from hclip_jax.errors import UserError, one_line
from hclip_jax.images.video import Video, check_video_library, open_video
from hclip_jax.images.video_writer import VideoWriter, written_size
from hclip_jax.inference.frame_overlay import FrameOverlay
from hclip_jax.io.files import replace_atomically
from hclip_jax.tools.segment_files import VIDEO_SUFFIX
from hclip_jax.tools.segment_images import Segment


def check_video_options(videos: Sequence[Path], args: argparse.Namespace) -> None:
    """Raises UserError if an option is for images alone or for videos alone, or if PyAV is not installed."""
    if not videos:
        if args.every != 1:
            raise UserError("--every is for videos, and none is given; leave it out")
        return
    for name in ("formats", "probabilities"):
        if getattr(args, name):
            raise UserError(f"--{name} is for images, and {videos[0]} is a video; leave it out")
    check_video_library()


def segment_video(segment: Segment, path: Path, args: argparse.Namespace, progress: Progress) -> bool:
    """Writes NAME_overlay.mp4 for a video; one that cannot be read is named and skipped.

    Args:
        segment: segments images.
        path: the video.
        args: the options of the command.
        progress: the bar, which also prints.

    Returns:
        Whether the whole video was read.

    Raises:
        UserError: the result cannot be written, or as `Segmenter.many`.
    """
    target = args.output / f"{path.stem}{VIDEO_SUFFIX}"
    with contextlib.ExitStack() as stack:
        try:
            video = stack.enter_context(open_video(path, args.max_megapixels))
            height, width = written_size(video.size, path)
        except UserError as error:
            progress.console.print(one_line(f"skipped: {error}"))
            return False
        times: list[int] = []  # of the frames that are read and not yet segmented
        segmentations = segment(_images(video, args.every, times))  # refuses wrong options
        total = video.num_frames and -(-video.num_frames // args.every)
        task = progress.add_task(one_line(path.name, 40), total=total)
        num_frames, overlay = 0, None
        with (
            replace_atomically(target) as temporary,  # interrupted or failed, it is removed
            VideoWriter(temporary, video.rate / args.every, video.time_base) as writer,
        ):
            for segmentation in segmentations:
                overlay = overlay or FrameOverlay(segmentation.class_names, args.opacity)
                writer.write(overlay.paint(segmentation.image, segmentation.ids), times.pop(0))
                num_frames += 1
                progress.advance(task)
    size = f"{width} x {height} pixels, {float(video.rate / args.every):.4g} frames a second"
    done = "1 frame is" if num_frames == 1 else f"{num_frames:,} frames are"
    line = f"{path}: {done} segmented, in {target} ({size})"
    if video.problem:
        line += f"; the video breaks off there ({video.problem})"
    progress.console.print(one_line(line))
    return not video.problem


def _images(video: Video, every: int, times: list[int]) -> Iterator[np.ndarray]:
    """Yields every Nth frame, and appends its time to `times`."""
    for frame in itertools.islice(video.frames(), 0, None, every):
        times.append(frame.time)
        yield frame.image
