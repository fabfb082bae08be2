"""PASCAL-Context with all 459 classes; nothing is ignored, and 'unknown' counts as a class."""

import numpy as np

from hclip_jax.datasets import pascal_context_files as context
from hclip_jax.datasets.dataset import Dataset, Example, Files
from hclip_jax.datasets.images import distinct


def _read(files: Files) -> Example:
    image, raw = context.read_label_map(files)
    return Example(image, raw - np.uint16(1), distinct(raw, 65536))


DATASET = Dataset(
    key="pascal_context_459",
    title="PASCAL-Context 459",
    splits={"val": context.VAL},
    label_dtype=np.uint16,
    num_label_ids=context.NUM_RAW_IDS,
    layout="JPEGImages of VOC 2010, with trainval/*.mat beside it",
    roots=context.ROOTS,
    archives=(context.VOC_2010, context.MATS),
    terms=context.TERMS,
    is_root=context.is_root,
    list_split=context.list_mats,
    read=_read,
)
