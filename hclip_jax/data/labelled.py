"""The check before a training that its labels say something; `hclip check` has the others."""

from collections.abc import Iterable

import numpy as np

from hclip_jax.data.types import Source
from hclip_jax.errors import UserError

_MAX_SAMPLES = 100  # labels that are read while all show the same class


def check_labelled(source: Source) -> str:
    """Reads labels until two classes are found: usually one or two of them.

    Returns:
        A warning if a hundred labels, evenly spread over the data set, show a single class; else "".

    Raises:
        UserError: no label of the data set has a labelled pixel.
    """
    if not len(source):
        return ""
    stride = -(-len(source) // _MAX_SAMPLES)
    sample = range(0, len(source), stride)
    ids = _first_ids(source, sample, 2)
    if not ids and not _first_ids(source, (index for index in range(len(source)) if index % stride), 1):
        raise UserError(
            "no label of the training data has a labelled pixel: class ids start at 0, and 255 (65535 with "
            "16 bits) is unlabelled; hclip check shows what the labels hold"
        )
    if len(ids) != 1:
        return ""
    name = source.class_names[min(ids)]
    return (
        f"warning: {len(sample):,} of {len(source):,} labels were read and show {name!r} alone, so that it "
        "cannot be mistaken for another class; give the rest of the images a class of its own"
    )


def _first_ids(source: Source, indices: Iterable[int], number: int) -> set[int]:
    """Class ids of labels, until there are `number` of them."""
    ids: set[int] = set()
    for index in indices:
        ids |= {int(t) for t in np.unique(source[index]["label"]) if t >= 0}
        if len(ids) >= number:
            break
    return ids
