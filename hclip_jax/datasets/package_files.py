"""Data files of this package: class names, raw ids, lists of image names, published figures."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from hclip_jax.text.class_names import read_class_names

_FOLDER = Path(__file__).parent


@functools.cache
def class_names(key: str) -> tuple[str, ...]:
    """Class names of a data set in the order of its class ids."""
    return read_class_names(_FOLDER / "class_names" / f"{key}.txt")


@functools.cache
def raw_ids(key: str) -> np.ndarray:
    """Ids [T] in the official label files, in the order of the class ids."""
    return np.array(_lines(f"raw_ids/{key}.txt"), np.int64)


@functools.cache
def image_names(key: str) -> tuple[str, ...]:
    """Names of the official images of a split, without suffixes."""
    return tuple(_lines(f"image_names/{key}.txt"))


@functools.cache
def published_figures() -> list[dict[str, Any]]:
    """Published results: method, backbone, source and `miou` by data set, in percent."""
    return json.loads((_FOLDER / "published.json").read_text("utf-8"))["rows"]


def lookup_table(key: str, size: int, dtype: type[np.unsignedinteger]) -> np.ndarray:
    """A table [size] from raw ids to class ids; other ids map to the largest value of `dtype`."""
    ids = raw_ids(key)
    table = np.full(size, np.iinfo(dtype).max, dtype)
    table[ids] = np.arange(len(ids), dtype=dtype)
    return table


def _lines(path: str) -> list[str]:
    return (_FOLDER / path).read_text("utf-8").split("\n")[:-1]
