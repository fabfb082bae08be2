"""Cityscapes with the 19 classes of its benchmark; ids of the other labels are ignored."""

from pathlib import Path

import numpy as np

from hclip_jax.datasets.dataset import Archive, Dataset, Example, FileError, Files, Listing, Split
from hclip_jax.datasets.images import check_same_size, distinct, read_image, read_pixels
from hclip_jax.datasets.locate import first_folder, pair, stems
from hclip_jax.datasets.package_files import lookup_table
from hclip_jax.errors import UserError

KEY = "cityscapes_19"
_SITE = "https://www.cityscapes-dataset.com"
_IMAGE = "_leftImg8bit"
_LABEL_IDS, _TRAIN_IDS = "_gtFine_labelIds", "_gtFine_labelTrainIds"
_LARGEST = 33  # of labelIds
_AGAIN = "unpack gtFine_trainvaltest.zip again"


def _folders(root: Path, split: str) -> tuple[Path, Path] | None:
    """Folders of cities, in one folder or in one a archive."""
    images, labels = (
        first_folder(root / kind / split, root / f"{kind}_trainvaltest" / kind / split)
        for kind in ("leftImg8bit", "gtFine")
    )
    return (images, labels) if images and labels else None


def _is_root(root: Path) -> bool:
    if _folders(root, "val"):
        return True
    if (root / "leftImg8bit").is_dir() and (root / "gtCoarse").is_dir():
        raise UserError(
            f"{root / 'gtCoarse'} has the coarse labels, but the benchmark has the fine ones: download "
            f"gtFine_trainvaltest.zip ({_SITE}) and unpack it to {root}"
        )
    return False


def _list_split(root: Path, split: str) -> Listing | None:
    folders = _folders(root, split)
    if not folders:
        return None
    images = _by_name(folders[0], _IMAGE)
    labels = {**_by_name(folders[1], _TRAIN_IDS), **_by_name(folders[1], _LABEL_IDS)}
    return pair(sorted(images.keys() | labels.keys()), images, labels, f"{_LABEL_IDS}.png", f"{_IMAGE}.png")


def _by_name(folder: Path, ending: str) -> dict[str, Path]:
    """PNG files of all cities by their names up to the ending, such as "frankfurt_000000_000294"."""
    cities = sorted(city for city in folder.iterdir() if city.is_dir() and not city.name.startswith("."))
    return {
        stem.removesuffix(ending): path
        for city in cities
        for stem, path in stems(city, ".png").items()
        if stem.endswith(ending)
    }


def _read(files: Files) -> Example:
    image, size = read_image(files.image, "PNG")
    raw = read_pixels(files.label, ("L", "P"), f"but a label of Cityscapes is a grey PNG of ids: {_AGAIN}")
    check_same_size(files.label, raw.shape, size)
    if files.label.stem.endswith(_TRAIN_IDS):
        allowed, label = "0 to 18 and 255", raw
        wrong = raw[(raw >= DATASET.num_label_ids) & (raw != 255)]
    else:
        allowed, label = f"0 to {_LARGEST}", lookup_table(KEY, 256, np.uint8)[raw]
        wrong = raw[raw > _LARGEST]
    if wrong.size:
        raise FileError(f"{files.label} holds {wrong.max()}", f"but its ids are {allowed}: {_AGAIN}")
    return Example(image, label, distinct(raw, 256))


DATASET = Dataset(
    key=KEY,
    title="Cityscapes 19",
    splits={"train": Split(2_975, optional=True), "val": Split(500)},
    label_dtype=np.uint8,
    num_label_ids=19,
    layout="leftImg8bit/val/*/*_leftImg8bit.png with gtFine/val/*/*_gtFine_labelIds.png",
    roots=("cityscapes", "Cityscapes", "."),
    archives=(
        Archive("leftImg8bit_trainvaltest.zip", f"{_SITE}/downloads"),
        Archive("gtFine_trainvaltest.zip", f"{_SITE}/downloads"),
    ),
    registration=_SITE,
    terms="for non-commercial research and education only",
    is_root=_is_root,
    list_split=_list_split,
    read=_read,
    in_paper=False,
    image_format="png",
)
