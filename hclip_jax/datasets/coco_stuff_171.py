"""COCO-Stuff with 171 classes: 80 things and 91 kinds of stuff. The paper trains on it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hclip_jax.datasets.dataset import Archive, Dataset, Example, FileError, Files, Listing, Split
from hclip_jax.datasets.images import check_same_size, distinct, read_image, read_pixels
from hclip_jax.datasets.locate import first_folder, pair_by_stem, stems
from hclip_jax.datasets.package_files import lookup_table
from hclip_jax.errors import UserError

KEY = "coco_stuff_171"
_FOLDERS = {"train": "train2017", "val": "val2017"}
_LARGEST = 181  # official ids are 1 to 182, and PNG files hold one less
_NUM_THING_IDS = 91  # PNG values below are things
_NUM_PROBED = 200
_WRONG_COPY = (
    f"but stuffthingmaps hold 0 to {_LARGEST} and 255: this is the stuff-only pixel map of the COCO API; "
    "unpack stuffthingmaps_trainval2017.zip instead"
)
_NO_INDICES = "but a label of COCO-Stuff is a grey or palette PNG: unpack stuffthingmaps_trainval2017.zip"


def _folders(root: Path, split: str) -> tuple[Path, Path] | None:
    """Folders of images and labels, in CAT-Seg's layout or as the archives unpack."""
    name = _FOLDERS[split]
    images = first_folder(root / "images" / name, root / name)
    labels = first_folder(
        root / "annotations" / name,
        root / "stuffthingmaps" / name,
        root / "stuffthingmaps_trainval2017" / name,
    )
    if images and not labels and stems(images, ".png"):  # both archives have the same folders
        labels = images
    return (images, labels) if images and labels else None


def _is_root(root: Path) -> bool:
    if any(_folders(root, split) for split in _FOLDERS):
        return True
    mapped = first_folder(*(root / "annotations_detectron2" / name for name in _FOLDERS.values()))
    if mapped:
        raise UserError(
            f"{mapped} is mapped to class ids already, but the official labels are wanted: unpack "
            f"stuffthingmaps_trainval2017.zip to {root / 'annotations'}"
        )
    return False


def _list_split(root: Path, split: str) -> Listing | None:
    folders = _folders(root, split)
    return pair_by_stem(*folders, pattern=r"\d{12}") if folders else None


def read_raw(path: Path) -> np.ndarray:
    """Reads the official ids uint8 [H, W]; 255 is unlabelled.

    Raises:
        FileError: the file is unreadable, or holds other ids.
    """
    raw = read_pixels(path, ("L", "P"), _NO_INDICES)
    wrong = raw[(raw > _LARGEST) & (raw != 255)]
    if wrong.size:
        raise FileError(f"{path} holds {wrong.max()}", _WRONG_COPY)
    return raw


def _read(files: Files) -> Example:
    image, size = read_image(files.image)
    raw = read_raw(files.label)
    check_same_size(files.label, raw.shape, size)
    return Example(image, lookup_table(KEY, 256, np.uint8)[raw], distinct(raw, 256))


def _probe(files: Sequence[Files]) -> list[str]:
    """Looks for labels without things (another archive) and for labels that are class ids already."""
    present = np.zeros(256, bool)
    for entry in files[:_NUM_PROBED]:
        present[distinct(read_raw(entry.label), 256)] = True
    folder, enough = files[0].label.parent, len(files) >= _NUM_PROBED
    if enough and not present[:_NUM_THING_IDS].any():
        raise UserError(
            f"{folder} holds no value below {_NUM_THING_IDS} in {_NUM_PROBED} files, {_WRONG_COPY}"
        )
    # Ids of things without masks: no official label has them, and a mapped label has all from 0 to 170.
    if not present[171 : _LARGEST + 1].any() and (enough or _has_unused(present)):
        return [
            f"{folder} is mapped already, it seems (no value above 170 in {min(len(files), _NUM_PROBED)} "
            "files), but is mapped again: check that it is unpacked from stuffthingmaps_trainval2017.zip"
        ]
    return []


def _has_unused(present: np.ndarray) -> bool:
    unused = lookup_table(KEY, 256, np.uint8) == 255
    return bool(present[: _LARGEST + 1][unused[: _LARGEST + 1]].any())


_COCO = "http://images.cocodataset.org/zips"
DATASET = Dataset(
    key=KEY,
    title="COCO-Stuff 171",
    splits={"train": Split(118_287), "val": Split(5_000)},
    label_dtype=np.uint8,
    num_label_ids=171,
    layout="images/val2017/*.jpg with annotations/val2017/*.png (or val2017 with stuffthingmaps/val2017)",
    roots=("coco-stuff", "coco", "."),
    archives=(
        Archive(
            "train2017.zip",
            f"{_COCO}/train2017.zip",
            19_336_861_798,
            "sha256 69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        ),
        Archive(
            "val2017.zip",
            f"{_COCO}/val2017.zip",
            815_585_330,
            "sha256 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        ),
        Archive(
            "stuffthingmaps_trainval2017.zip",
            "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/"
            "stuffthingmaps_trainval2017.zip",
            659_000_000,
        ),
    ),
    terms="annotations CC BY 4.0; images under the Flickr licences of each photo, many non-commercial",
    is_root=_is_root,
    list_split=_list_split,
    read=_read,
    probe=_probe,
)
