"""`hclip segment` for images: segments one after another; reads the next and writes the last meanwhile."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import Progress

from hclip_jax.errors import UserError, one_line
from hclip_jax.images.bands import LARGE_PIXELS
from hclip_jax.io.background import Background
from hclip_jax.tools.segment_files import write_results
from hclip_jax.tools.segment_formats import CocoFile
from hclip_jax.tools.segment_inputs import Inputs
from hclip_jax.tools.segment_reading import read_images

if TYPE_CHECKING:
    from hclip_jax.inference.segmentation import Segmentation

Segment = Callable[..., Iterator["Segmentation"]]
"""`Segmenter.many` without the arguments that are the same for all inputs."""
_TILE_HINT = (
    "note: images of more than 33 megapixels were resized to the input of the model as a whole; --tile=1280 "
    "finds smaller things"
)


def segment_images(segment: Segment, inputs: Inputs, args: argparse.Namespace, progress: Progress) -> bool:
    """Segments the images; those that cannot be are named and skipped.

    Args:
        segment: segments images.
        inputs: what the arguments name.
        args: the options of the command.
        progress: the bar, which also prints.

    Returns:
        Whether all images are segmented.

    Raises:
        UserError: a result cannot be written, or as `Segmenter.many`.
    """
    num_images, num_large = len(inputs.images) + inputs.num_lost, 0
    task = progress.add_task("segmenting", total=len(inputs.images))
    coco = CocoFile()

    def say(line: str) -> None:
        progress.console.print(one_line(line))

    def write(segmentation: "Segmentation", probabilities: np.ndarray | None, path: Path) -> None:
        nonlocal num_large
        write_results(segmentation, probabilities, path, args)
        if "coco" in args.formats:
            coco.add(segmentation, path)
        num_large += segmentation.ids.size > LARGE_PIXELS

    writer = Background(write)
    pending: list[Path] = []  # read, and not yet segmented

    def read() -> Iterator[np.ndarray]:
        for path, image, lines in read_images(inputs.images, args):
            for line in lines:
                say(line)
            if image is None:
                progress.advance(task)
                continue
            pending.append(path)
            yield image
            del image  # large images: the next is read without this one in memory

    segmentations = segment(read(), on_progress=lambda share: progress.advance(task, share))
    args.output.mkdir(parents=True, exist_ok=True)
    for line in inputs.left_out:
        say(line)
    try:
        with writer:
            for segmentation in segmentations:
                path = pending.pop(0)
                try:
                    probabilities = segmentation.probabilities if args.probabilities else None
                except UserError as error:
                    say(f"skipped: {path}: {error}")
                    continue
                is_large = segmentation.ids.size > LARGE_PIXELS
                writer.put(segmentation, probabilities, path)
                # Large images: the next is read without these in memory.
                del segmentation, probabilities
                if is_large:
                    writer.wait()
    finally:  # also if a result cannot be written: the others are whole
        if num_large and not args.tile:
            say(_TILE_HINT)
        say(f"{writer.num_done} of {num_images} images are segmented, in {args.output}/")
        coco.write(args.output)
    return writer.num_done == num_images


def segment_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options that `Segmenter.many` has under other names, or under the same."""
    names = ("class_names", "batch_size", "background", "synonyms", "threshold", "fast", "tile")
    options = {name: getattr(args, name) for name in (*names, "max_megapixels")}
    return {**options, "templates": args.template}
