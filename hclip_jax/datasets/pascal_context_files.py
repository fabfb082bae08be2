"""Files that both versions of PASCAL-Context share: images of VOC 2010, label maps of MATLAB, their list."""

import re
from pathlib import Path

import numpy as np

from hclip_jax.datasets.dataset import Archive, FileError, Files, Listing, Split
from hclip_jax.datasets.images import check_same_size, read_image, refuse_unreadable
from hclip_jax.datasets.locate import pair, stems
from hclip_jax.datasets.package_files import class_names, image_names
from hclip_jax.errors import UserError

TERMS = "images under Flickr's terms of use; no licence of the annotations was found"
VAL = Split(5_104, "b9924d222e8429efb4c8677e5ab5f84ad1374ecbff34980afa7f121bcf42b891")
ROOTS = ("VOCdevkit/VOC2010", "VOC2010", ".")
VOC_2010 = Archive(
    "VOCtrainval_03-May-2010.tar",
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
    0,
    "md5 da459979d0c395079b5c75ee67908abb",
)
MATS = Archive("trainval.tar.gz", "https://www.roozbehm.info/pascal-context/trainval.tar.gz", 30_700_000)
NUM_RAW_IDS = 459
_NAMES = "pascal_context_459"
_WANTED = f"but LabelMap is uint16 with 1 to {NUM_RAW_IDS}: unpack trainval.tar.gz of PASCAL-Context again"


def is_root(root: Path) -> bool:
    """Whether a folder has the images of VOC 2010."""
    return (root / "JPEGImages").is_dir() and not (root / "SegmentationClassAug").is_dir()


def annotation(root: Path, name: str, archive: Archive) -> Path:
    """A file or folder that belongs beside JPEGImages, or in one of the two folders above.

    Raises:
        UserError: it is in none of them.
    """
    folders = (root, root.parent, root.parent.parent)
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise UserError(
        f"{name} not found in {', '.join(map(str, folders))}: download {archive.name} ({archive.url}) to "
        f"{root} ({TERMS})"
    )


def list_mats(root: Path, split: str) -> Listing:
    """Lists images with the label maps of all 459 classes."""
    folder = annotation(root, "trainval", MATS)
    for path in (folder.parent / "labels.txt", folder / "labels.txt"):
        if path.is_file():
            _check_names(path)
    return pair(image_names(_NAMES), stems(root / "JPEGImages", ".jpg"), stems(folder, ".mat"), ".mat")


def _check_names(path: Path) -> None:
    """Compares labels.txt with the class names, which are written without blanks."""
    lines = re.findall(r"^\s*(\d+)\s*:\s*(.*?)\s*$", path.read_text("utf-8", "replace"), re.MULTILINE)
    found = {int(number): "".join(name.split()) for number, name in lines}
    for number, name in enumerate(class_names(_NAMES), start=1):
        if found.get(number) != name:
            raise UserError(
                f"{path} names class {number} {found.get(number)!a}, but it is {name!r} in PASCAL-Context: "
                f"unpack {MATS.name} again"
            )


def read_label_map(files: Files) -> tuple[bytes, np.ndarray]:
    """Reads an image and its official ids uint16 [H, W], 1 to 459.

    Raises:
        FileError: a file is damaged or holds something else.
    """
    import scipy.io  # here, because the import is slow

    image, size = read_image(files.image)
    try:
        content = scipy.io.loadmat(files.label, variable_names=["LabelMap"])
    except Exception as error:  # SciPy raises many exceptions for broken files
        refuse_unreadable(files.label, error)
    raw = content.get("LabelMap")
    if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:
        found = "no LabelMap" if raw is None else f"a LabelMap of {raw.dtype} {list(raw.shape)}"
        raise FileError(f"{files.label} has {found}", _WANTED)
    check_same_size(files.label, raw.shape, size)
    wrong = raw[(raw < 1) | (raw > NUM_RAW_IDS)]
    if wrong.size:
        raise FileError(f"{files.label} holds {wrong.max()}", _WANTED)
    return image, raw
