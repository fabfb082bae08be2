"""The data sets by key."""

import difflib

from hclip_jax.datasets import (
    ade20k_150,
    ade20k_847,
    cityscapes_19,
    coco_stuff_171,
    pascal_context_59,
    pascal_context_459,
    pascal_voc_20,
    pascal_voc_20b,
)
from hclip_jax.datasets.dataset import Dataset
from hclip_jax.errors import UserError

_MODULES = (
    coco_stuff_171,
    ade20k_847,
    pascal_context_459,
    ade20k_150,
    pascal_context_59,
    pascal_voc_20,
    pascal_voc_20b,
    cityscapes_19,
)
CATALOGUE: dict[str, Dataset] = {module.DATASET.key: module.DATASET for module in _MODULES}
"""The training set first, then the paper's order, then what the paper has not."""


def dataset(key: str) -> Dataset:
    """Returns the data set of a key.

    Raises:
        UserError: there is none.
    """
    if key not in CATALOGUE:
        near = difflib.get_close_matches(key, CATALOGUE, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the data sets are {', '.join(CATALOGUE)}"
        raise UserError(f"{key!r} is not a data set that can be prepared; {hint} (see hclip prepare --list)")
    return CATALOGUE[key]
