"""PASCAL VOC 2012 with 20 classes and background, for which models are asked for 59 names.

Class ids 0 to 19 are those of VOC. The 39 other classes of PASCAL-Context stand for the background: predicted
ids from 20 on are folded to 20.
"""

import dataclasses

import numpy as np

from hclip_jax.datasets import pascal_voc_20
from hclip_jax.datasets.dataset import Example, Files
from hclip_jax.datasets.images import distinct

BACKGROUND = 20


def _read(files: Files) -> Example:
    image, raw = pascal_voc_20.read_mask(files)
    label = np.where(raw == 255, raw, raw - np.uint8(1))
    return Example(image, np.where(raw == 0, np.uint8(BACKGROUND), label), distinct(raw, 256))


DATASET = dataclasses.replace(
    pascal_voc_20.DATASET,
    key="pascal_voc_20b",
    title="PASCAL VOC 20 + background",
    num_label_ids=21,
    read=_read,
    fold_background=BACKGROUND,
)
