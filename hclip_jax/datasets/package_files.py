"""Data files of this package: class names, their variants, raw ids, image names, published figures."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.text.class_names import read_class_names

_FOLDER = Path(__file__).parent


@functools.cache
def class_names(key: str, variant: str = "") -> tuple[str, ...]:
    """Class names of a data set in the order of its class ids.

    Args:
        key: the data set.
        variant: other words for the same classes, one of `class_name_variants`; "" for the published names.

    Raises:
        UserError: the data set has no such variant.
    """
    if not variant:
        return read_class_names(_FOLDER / "class_names" / f"{key}.txt")
    variants = class_name_variants(key)
    if variant not in variants:
        allowed = f"give {' or '.join(variants)}" if variants else "it has the published names alone"
        raise UserError(f"{key} has no variant {variant!a} of its class names: {allowed}")
    return read_class_names(_FOLDER / "class_name_variants" / key / f"{variant}.txt")


@functools.cache
def class_name_variants(key: str) -> tuple[str, ...]:
    """Variants of the class names of a data set besides the published ones.

    "with_blanks" of PASCAL-Context 459 is spelled as its labels.txt ("air conditioner"; published:
    "airconditioner"). "without_other" of COCO-Stuff drops the endings "-other" and "-stuff" ("wall-other").
    """
    return tuple(sorted(path.stem for path in (_FOLDER / "class_name_variants" / key).glob("*.txt")))


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
    """The rows of published.json; `published.py` says what they hold."""
    return json.loads((_FOLDER / "published.json").read_text("utf-8"))["rows"]


def lookup_table(key: str, size: int, dtype: type[np.unsignedinteger]) -> np.ndarray:
    """A table [size] from raw ids to class ids; other ids map to the largest value of `dtype`."""
    ids = raw_ids(key)
    table = np.full(size, np.iinfo(dtype).max, dtype)
    table[ids] = np.arange(len(ids), dtype=dtype)
    return table


def _lines(path: str) -> list[str]:
    return (_FOLDER / path).read_text("utf-8").split("\n")[:-1]
