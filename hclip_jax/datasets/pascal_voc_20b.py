"""PASCAL VOC 2012 with 20 classes and background, for which models are asked for 59 names.

Class ids 0 to 19 are those of VOC. The 39 other classes of PASCAL-Context stand for the background: predicted
ids from 20 on are folded to 20.
"""

import numpy as np

from hclip_jax.datasets.dataset import Dataset, Example, Files
from hclip_jax.datasets.images import distinct
from hclip_jax.datasets.pascal_voc_20 import (
    ARCHIVES,
    LAYOUT,
    ROOTS,
    SPLITS,
    VOC_TERMS,
    is_root,
    list_split,
    read_mask,
)

BACKGROUND = 20


def _read(files: Files) -> Example:
    image, raw = read_mask(files)
    label = np.where(raw == 255, raw, raw - np.uint8(1))
    return Example(image, np.where(raw == 0, np.uint8(BACKGROUND), label), distinct(raw, 256))


DATASET = Dataset(
    key="pascal_voc_20b",
    title="PASCAL VOC 20 + background",
    splits=SPLITS,
    label_dtype=np.uint8,
    num_label_ids=21,
    layout=LAYOUT,
    roots=ROOTS,
    archives=ARCHIVES,
    terms=VOC_TERMS,
    is_root=is_root,
    list_split=list_split,
    read=_read,
    fold_background=BACKGROUND,
)
