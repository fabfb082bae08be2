"""The answer to a click: an image file and class names in, masks to show and files to download out."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image

from hclip_jax.errors import UserError, one_line
from hclip_jax.images.bands import resize_bilinear
from hclip_jax.images.image_io import read_image, remarks
from hclip_jax.inference.legend import percent
from hclip_jax.inference.overlay import class_shares, unknown_share
from hclip_jax.inference.palette import class_colours
from hclip_jax.inference.segmentation import Segmentation
from hclip_jax.io.files import write_atomically, write_png
from hclip_jax.io.json_file import format_json
from hclip_jax.text.name_list import split_names

MAX_MEGAPIXELS = 60
"""Size of an uploaded image: 60 take about 1 GB of memory, so a page cannot exhaust a machine."""

_SHOWN_EDGE = 1280  # pixels of the image on the page; files have all pixels


class Segments(Protocol):
    """A `Segmenter`, or what a test has in its place."""

    class_names: tuple[str, ...]

    def __call__(
        self,
        image: np.ndarray,
        class_names: Sequence[str],
        *,
        background: Sequence[str],
        threshold: float,
        fast: bool,
        max_megapixels: float,
    ) -> Segmentation: ...


class Question(NamedTuple):
    """The fields of the page.

    Attributes:
        image: an uploaded file; None if there is none.
        class_names: class names separated by commas.
        background: names of everything else.
        threshold: less probable pixels are unknown.
        opacity: of the masks.
        fast: one view of the whole image.
    """

    image: str | None
    class_names: str
    background: str = ""
    threshold: float = 0.0
    opacity: float = 0.55
    fast: bool = False


class Answer(NamedTuple):
    """The parts of the page that a click changes.

    Attributes:
        image: uint8 [h, w, 3], the image, reduced if it is large.
        masks: float32 [h, w] from 0 to the opacity, and a name with its share, largest first.
        colours: the colour of each name of `masks`, "#rrggbb".
        text: a sentence on what was found.
        files: label ids, overlay and summary, as `hclip segment` writes them.
    """

    image: np.ndarray
    masks: list[tuple[np.ndarray, str]]
    colours: dict[str, str]
    text: str
    files: tuple[Path, Path, Path]


def answer(segmenter: Segments, question: Question, folder: Path, model: str) -> Answer:
    """Segments the uploaded image.

    Args:
        segmenter: the model.
        question: what the page asks.
        folder: an empty folder for the files.
        model: what the summary calls the model.

    Raises:
        UserError: there is no upload, image or class name, or an option is out of range.
    """
    if not question.image:
        raise UserError("there is no image; upload one, or choose an example")
    class_names = split_names(question.class_names, "class names")
    if not class_names:
        raise UserError(
            'there are no class names; write them separated by commas, such as "person,sea,sand,sky"'
        )
    path = Path(question.image)
    try:
        image = read_image(path, MAX_MEGAPIXELS)
        remark = "".join(f" The image {remark}." for remark in remarks(path, MAX_MEGAPIXELS))
        segmentation = segmenter(
            image,
            class_names,
            background=split_names(question.background, "background names"),
            threshold=question.threshold,
            fast=question.fast,
            max_megapixels=MAX_MEGAPIXELS,
        )
        files = _write(segmentation, path, folder, model, question)
    except UserError as error:
        message = str(error)
        for parent in (folder, path.parent):  # no paths of the server
            message = message.replace(f"{parent}{os.sep}", "")
        raise UserError(message) from error
    return _to_answer(segmentation, question.opacity, remark, files)


def _write(
    segmentation: Segmentation, path: Path, folder: Path, model: str, question: Question
) -> tuple[Path, Path, Path]:
    labels, overlay, summary = (folder / f"{path.stem}{end}" for end in (".png", "_overlay.png", ".json"))
    write_png(labels, segmentation.label_image())
    write_png(overlay, segmentation.overlay(question.opacity), is_photo=True)
    content = {"image": path.name, "model": model, **segmentation.summary()}
    write_atomically(summary, format_json(content))
    return labels, overlay, summary


def _to_answer(
    segmentation: Segmentation, opacity: float, remark: str, files: tuple[Path, Path, Path]
) -> Answer:
    names = segmentation.class_names
    shares = class_shares(segmentation.ids, len(names))
    image, ids = _reduced(segmentation.image, segmentation.ids)
    masks, colours = [], {}
    for t in np.argsort(-shares, kind="stable"):
        if shares[t] > 0:
            name = f"{one_line(names[t])} {percent(shares[t])} %"
            masks.append((np.float32(opacity) * (ids == t), name))
            colours[name] = "#{:02x}{:02x}{:02x}".format(*class_colours(names)[t])
    absent = [one_line(name) for name, share in zip(names, shares, strict=True) if share == 0]
    height, width = segmentation.ids.shape
    text = f"{width} x {height} pixels, {len(masks)} of {len(names)} names found."
    if absent:
        text += f" Not found: {', '.join(absent[:20])}{', ...' if len(absent) > 20 else ''}."
    if unknown := unknown_share(segmentation.ids):
        text += f" Unknown: {percent(unknown)} %."
    return Answer(image, masks, colours, text + remark, files)


def _reduced(image: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image and ids with a longest edge of at most _SHOWN_EDGE: a mask for each class goes to the browser."""
    height, width = ids.shape
    scale = _SHOWN_EDGE / max(height, width)
    if scale >= 1:
        return image, ids
    size = max(1, round(scale * height)), max(1, round(scale * width))
    small = Image.fromarray(ids.astype(np.int32)).resize(size[::-1], Image.Resampling.NEAREST)
    return resize_bilinear(image, size), np.asarray(small)
