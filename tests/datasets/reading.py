"""Reads an official copy as `hclip prepare` does, without writing."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.prepare import Report, open_source, verify


def silent(name: str, total: int) -> Callable[[], None]:
    """A progress bar that shows nothing."""
    return lambda: None


def check(key: str, source: Path, *, partial: bool = True) -> Report:
    """Verifies a copy of a data set."""
    return verify(open_source(CATALOGUE[key], source, partial=partial), silent)


def pixels(png: bytes) -> np.ndarray:
    """The stored values of a label."""
    with Image.open(io.BytesIO(png)) as image:
        return np.array(image)
