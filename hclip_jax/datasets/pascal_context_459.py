"""PASCAL-Context with all 459 classes; nothing is ignored, and 'unknown' counts as a class."""

import re
from pathlib import Path

import numpy as np

from hclip_jax.datasets.dataset import Archive, Dataset, Example, FileError, Files, Listing
from hclip_jax.datasets.images import check_same_size, distinct, read_jpeg, refuse_unreadable
from hclip_jax.datasets.locate import pair, stems
from hclip_jax.datasets.package_files import class_names, image_names
from hclip_jax.datasets.pascal_context_59 import CONTEXT_TERMS, ROOTS, VAL, VOC_2010, annotation, is_root
from hclip_jax.errors import UserError

KEY = "pascal_context_459"
NUM_CLASSES = 459
_MATS = Archive("trainval.tar.gz", "https://www.roozbehm.info/pascal-context/trainval.tar.gz", 30_700_000)
_WANTED = f"but LabelMap is uint16 with 1 to {NUM_CLASSES}: unpack trainval.tar.gz of PASCAL-Context again"


def _list_split(root: Path, split: str) -> Listing:
    folder = annotation(root, "trainval", _MATS)
    _check_names(folder.parent / "labels.txt")
    jpegs, mats = stems(root / "JPEGImages", ".jpg"), stems(folder, ".mat")
    return pair(image_names(KEY), jpegs, mats, ".mat")


def _check_names(path: Path) -> None:
    """Compares labels.txt, if it is there, with the class names, which are written without blanks."""
    if not path.is_file():
        return
    lines = re.findall(r"^\s*(\d+)\s*:\s*(.*?)\s*$", path.read_text("utf-8", "replace"), re.MULTILINE)
    found = {int(number): "".join(name.split()) for number, name in lines}
    for number, name in enumerate(class_names(KEY), start=1):
        if found.get(number) != name:
            raise UserError(
                f"{path} names class {number} {found.get(number)!a}, but it is {name!r} in PASCAL-Context: "
                f"unpack {_MATS.name} again"
            )


def _read(files: Files) -> Example:
    import scipy.io  # here, because the import is slow

    image, size = read_jpeg(files.image)
    try:
        content = scipy.io.loadmat(files.label, variable_names=["LabelMap"])
    except Exception as error:  # SciPy raises many exceptions for broken files
        refuse_unreadable(files.label, error)
    raw = content.get("LabelMap")
    if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:
        found = "no LabelMap" if raw is None else f"a LabelMap of {raw.dtype} {list(raw.shape)}"
        raise FileError(f"{files.label} has {found}", _WANTED)
    check_same_size(files.label, raw.shape, size)
    wrong = raw[(raw < 1) | (raw > NUM_CLASSES)]
    if wrong.size:
        raise FileError(f"{files.label} holds {wrong.max()}", _WANTED)
    return Example(image, raw - np.uint16(1), distinct(raw, 65536))


DATASET = Dataset(
    key=KEY,
    title="PASCAL-Context 459",
    splits={"val": VAL},
    label_dtype=np.uint16,
    num_label_ids=NUM_CLASSES,
    layout="JPEGImages of VOC 2010, with trainval/*.mat beside it",
    roots=ROOTS,
    archives=(VOC_2010, _MATS),
    terms=CONTEXT_TERMS,
    is_root=is_root,
    list_split=_list_split,
    read=_read,
)
