"""PASCAL VOC 2012 with 20 classes; background and void are ignored."""

from pathlib import Path

import numpy as np

from hclip_jax.datasets.dataset import Archive, Dataset, Example, FileError, Files, Listing, Split
from hclip_jax.datasets.images import check_same_size, distinct, read_image, read_pixels
from hclip_jax.datasets.locate import first_folder, pair_by_stem, read_names
from hclip_jax.errors import UserError

KEY = "pascal_voc_20"
VOC_TERMS = "images under Flickr's terms of use; no licence of the annotations is stated"
SPLITS = {"val": Split(1_449, "cdc1326d12f69ce5153aa5da04a4d8783e146868d42d19f82f44e74b97ac907d")}
LAYOUT = "JPEGImages, SegmentationClass and ImageSets/Segmentation/val.txt"
ROOTS = ("VOCdevkit/VOC2012", "VOC2012", ".")
ARCHIVES = (
    Archive(
        "VOCtrainval_11-May-2012.tar",
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        1_999_639_040,
        "sha256 e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
    ),
)
_WANTED = "but a mask of VOC is a palette or grey PNG with the indices 0 to 20 and 255"


def is_root(root: Path) -> bool:
    """Whether a folder has images, masks and the list of the split.

    Raises:
        UserError: the masks are those that a published script has mapped.
    """
    if not ((root / "JPEGImages").is_dir() and (root / "ImageSets/Segmentation/val.txt").is_file()):
        return False
    if _masks(root):
        return True
    if (root / "annotations_detectron2").is_dir():
        raise UserError(
            f"{root / 'annotations_detectron2'} is mapped to class ids already, but the official masks are "
            "wanted: unpack VOCtrainval_11-May-2012.tar, which has the folder SegmentationClass"
        )
    return False


def _masks(root: Path) -> Path | None:
    return first_folder(root / "SegmentationClass", root / "SegmentationClassAug")


def list_split(root: Path, split: str) -> Listing:
    """Lists the images of val.txt."""
    masks = _masks(root)
    assert masks is not None  # is_root
    names = read_names(root / "ImageSets/Segmentation/val.txt")
    return pair_by_stem(root / "JPEGImages", masks, names)


def read_mask(files: Files) -> tuple[bytes, np.ndarray]:
    """Reads an image and its official indices uint8 [H, W]: 0 background, 1 to 20 classes, 255 void.

    Raises:
        FileError: a file is damaged or holds something else.
    """
    image, size = read_image(files.image)
    raw = read_pixels(files.label, ("L", "P"), f"{_WANTED}, not colours: unpack VOCtrainval_11-May-2012.tar")
    check_same_size(files.label, raw.shape, size)
    wrong = raw[(raw > 20) & (raw != 255)]
    if wrong.size:
        raise FileError(f"{files.label} holds {wrong.max()}", f"{_WANTED}: these are not the official masks")
    return image, raw


def _read(files: Files) -> Example | None:
    image, raw = read_mask(files)
    label = np.where(raw == 255, np.uint8(255), raw - np.uint8(1))  # 0 wraps to 255
    return Example(image, label, distinct(raw, 256)) if (label != 255).any() else None


DATASET = Dataset(
    key=KEY,
    title="PASCAL VOC 20",
    splits=SPLITS,
    label_dtype=np.uint8,
    num_label_ids=20,
    layout=LAYOUT,
    roots=ROOTS,
    archives=ARCHIVES,
    terms=VOC_TERMS,
    is_root=is_root,
    list_split=list_split,
    read=_read,
)
