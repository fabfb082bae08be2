"""Pixel counts of every image of an evaluation, and their file NAME.npz.

Metrics over any selection of the images follow from their sums, so they are what confidence intervals and
comparisons of two models are computed from (`bootstrap.py`).
"""

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hclip_jax import processes
from hclip_jax.errors import UserError, printable
from hclip_jax.io.files import write_atomically
from hclip_jax.io.substitutes import check_file

MAX_BYTES = 2**33
"""Larger files are refused unread; 5,105 images of 847 classes have 52 MB, and 1 to 2 MB compressed."""

_COUNTS = ("intersection", "truth", "prediction")
_NAMES = ("class_names", "image_names")
_DAMAGES = (
    ValueError,
    KeyError,
    EOFError,
    OSError,
    MemoryError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class ImageCounts:
    """Counts of labelled pixels for N images and T classes; background is folded before.

    Attributes:
        class_names: T names.
        image_names: N names, in the order of the set.
        intersection: uint32 [N, T], pixels of the class that are predicted as the class.
        truth: uint32 [N, T], pixels of the class.
        prediction: uint32 [N, T], labelled pixels that are predicted as the class.
    """

    class_names: tuple[str, ...]
    image_names: tuple[str, ...]
    intersection: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray

    @classmethod
    def from_rows(
        cls, class_names: Sequence[str], image_names: Sequence[str], rows: Sequence[np.ndarray]
    ) -> "ImageCounts":
        """Collects what `ConfusionMatrix.update` returns for each image: integers [3, T]."""
        counts = np.array(rows, np.uint32).reshape(len(image_names), 3, len(class_names))
        return cls(tuple(class_names), tuple(image_names), *counts.swapaxes(0, 1))

    @property
    def num_images(self) -> int:
        """N."""
        return len(self.image_names)


def image_miou(counts: ImageCounts) -> np.ndarray:
    """MIoU of each image in percent, over the classes of its ground truth; NaN without any. float64 [N]."""
    union = counts.truth.astype(np.float64) + counts.prediction - counts.intersection
    present = counts.truth > 0
    iou = np.where(present, counts.intersection / np.maximum(union, 1), 0).sum(1)
    number = present.sum(1)
    return np.where(number > 0, 100 * iou / np.maximum(number, 1), np.nan)


def to_bytes(counts: ImageCounts) -> bytes:
    """The content of NAME.npz: arrays with the names of the attributes, compressed, without pickles."""
    buffer = io.BytesIO()
    arrays = {name: getattr(counts, name) for name in _COUNTS}
    names = {name: np.array(getattr(counts, name), np.str_) for name in _NAMES}
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **names)
    return buffer.getvalue()


def from_bytes(content: bytes, where: str) -> ImageCounts:
    """Reads what `to_bytes` wrote.

    Args:
        content: the bytes.
        where: their name in the message.

    Raises:
        UserError: they are something else, or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES or archive.testzip():
                raise ValueError("damaged")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            class_names, image_names = (_names(arrays[name]) for name in _NAMES)
            counts = [arrays[name] for name in _COUNTS]
        _check(counts, (len(image_names), len(class_names)))
    except _DAMAGES as error:
        raise UserError(
            f"{where} does not hold the pixel counts of an evaluation ({printable(str(error))}); "
            "evaluate again with hclip evaluate"
        ) from error
    return ImageCounts(class_names, image_names, *counts)


def write_counts(path: Path, counts: ImageCounts) -> None:
    """Writes NAME.npz atomically.

    Raises:
        UserError: it cannot be written.
    """
    write_atomically(path, to_bytes(counts))


def read_counts(path: Path) -> ImageCounts:
    """Reads NAME.npz.

    Raises:
        UserError: it is missing, cannot be read, is damaged or something else.
    """
    fix = "evaluate with hclip evaluate"
    check_file(path, fix)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    return from_bytes(content, str(path))


def of_all_processes(counts: ImageCounts) -> ImageCounts:
    """Joins the counts of all processes, each of which has evaluated every n-th image.

    They are exchanged compressed and need no shared disk. Every process must call it.
    """
    if processes.count() == 1:
        return counts
    parts = processes.gather(to_bytes(counts))
    return interleave([from_bytes(part, f"the message of process {k}") for k, part in enumerate(parts)])


def interleave(parts: Sequence[ImageCounts]) -> ImageCounts:
    """Joins parts of one evaluation: part k holds the images k, k + len(parts), ... of the set."""
    order = np.argsort(
        np.concatenate([np.arange(part.num_images) * len(parts) + k for k, part in enumerate(parts)])
    )
    image_names = [name for part in parts for name in part.image_names]
    counts = [np.concatenate([getattr(part, name) for part in parts])[order] for name in _COUNTS]
    return ImageCounts(parts[0].class_names, tuple(image_names[i] for i in order), *counts)


def _names(array: np.ndarray) -> tuple[str, ...]:
    if array.dtype.kind != "U" or array.ndim != 1:
        raise ValueError("names are no text")
    return tuple(array.tolist())


def _check(counts: Sequence[np.ndarray], shape: tuple[int, int]) -> None:
    intersection, truth, prediction = counts
    if any(array.dtype != np.uint32 or array.shape != shape for array in counts):
        raise ValueError(f"counts are not uint32 {list(shape)}")
    if (intersection > np.minimum(truth, prediction)).any() or not np.array_equal(
        truth.sum(1, dtype=np.int64), prediction.sum(1, dtype=np.int64)
    ):
        raise ValueError("counts contradict each other")
