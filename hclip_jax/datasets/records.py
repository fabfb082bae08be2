"""Reads, checks and encodes the images of a split, over all cores and in order."""

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.dataset import Dataset, Files
from hclip_jax.datasets.summary import Summary
from hclip_jax.datasets.verify import MAX_REFUSALS, join_refusals
from hclip_jax.datasets.workers import num_workers, ordered_map
from hclip_jax.errors import UserError


class Record(NamedTuple):
    """One prepared image.

    Attributes:
        name: the stem.
        image: the bytes of an image file.
        label: the bytes of a grey PNG of class ids.
        counts: its part of the Summary.
    """

    name: str
    image: bytes
    label: bytes
    counts: "Counts"


class Counts(NamedTuple):
    """Pixels and ids of one label."""

    num_pixels: int
    num_ignored: int
    classes: np.ndarray
    raw_ids: np.ndarray
    remark: str


def read_records(
    dataset: Dataset, files: Sequence[Files], summary: Summary, advance: Callable[[], None] = lambda: None
) -> Iterator[Record | None]:
    """Yields one record for each of the files, None for images that the protocol leaves out.

    After a wrong file, no more records come; the remaining files are checked for the error message.

    Args:
        dataset: the data set.
        files: the files of the split, in order.
        summary: counts, which this function fills.
        advance: called after each file.

    Raises:
        UserError: files are damaged or not official ones.
    """
    refusals: list[UserError] = []
    results = ordered_map(functools.partial(_record, dataset.key), files, num_workers(len(files)))
    try:
        for result in results:
            advance()
            if isinstance(result, UserError):
                refusals.append(result)
                if len(refusals) >= MAX_REFUSALS:
                    break
            elif not refusals:
                _count(summary, result)
                yield result
    finally:
        results.close()
    if refusals:
        raise UserError(join_refusals(refusals))


def _record(key: str, files: Files) -> Record | UserError | None:
    dataset = CATALOGUE[key]
    try:
        example = dataset.read(files)
    except UserError as error:
        return error
    if example is None:
        return None
    label = example.label
    # Written by this package's own rules, so a wrong id is a defect here.
    assert label.dtype == dataset.label_dtype
    pixels = np.bincount(label.ravel(), minlength=dataset.ignore + 1)
    num_ignored = int(pixels[dataset.ignore])
    pixels[dataset.ignore] = 0
    buffer = io.BytesIO()
    Image.fromarray(label).save(buffer, "PNG")
    counts = Counts(label.size, num_ignored, np.flatnonzero(pixels), example.raw_ids, example.remark)
    return Record(files.name, example.image, buffer.getvalue(), counts)


def _count(summary: Summary, record: Record | None) -> None:
    if record is None:
        summary.num_left_out += 1
        return
    counts = record.counts
    summary.num_images += 1
    summary.num_bytes += len(record.image) + len(record.label)
    summary.num_pixels += counts.num_pixels
    summary.num_ignored += counts.num_ignored
    summary.images_by_class[counts.classes] += 1
    summary.images_by_raw_id[counts.raw_ids] += 1
    if counts.remark:
        summary.remarks.append(counts.remark)
