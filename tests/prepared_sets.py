"""All data sets of the paper in miniature, prepared from made-up official files."""

import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.prepare import open_source, write
from hclip_jax.evaluation.suite import read_suite

_SAMPLES = Path(__file__).parent / "datasets" / "official_samples.zip"
NAMES = tuple(entry.name for entry in read_suite("paper").sets)


@cache
def _unpacked() -> tuple[tempfile.TemporaryDirectory, Path]:
    holder = tempfile.TemporaryDirectory()
    with zipfile.ZipFile(_SAMPLES) as archive:
        archive.extractall(holder.name)
    return holder, Path(holder.name)


def _silent(name: str, total: int) -> Callable[[], None]:
    return lambda: None


@cache
def data() -> Path:
    """The folder of the prepared sets; not to be changed."""
    folder = _unpacked()[1] / "prepared"
    for name in NAMES:
        source = open_source(CATALOGUE[name], _unpacked()[1] / "synthetic", partial=True)
        write(source, folder / name, "tfds", _silent)
    return folder


@cache
def official_labels() -> dict[str, np.ndarray]:
    """Labels that the published scripts made of the same files, by SET/SPLIT/IMAGE."""
    with np.load(_unpacked()[1] / "expected/synthetic.npz") as arrays:
        return dict(arrays)
