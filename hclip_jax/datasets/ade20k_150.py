"""ADE20K with 150 classes, the SceneParsing challenge of 2016."""

from pathlib import Path

import numpy as np

from hclip_jax.datasets.dataset import Archive, Dataset, Example, FileError, Files, Listing, Split
from hclip_jax.datasets.images import check_same_size, distinct, read_image, read_pixels
from hclip_jax.datasets.locate import first_folder, pair_by_stem
from hclip_jax.datasets.summary import Summary
from hclip_jax.errors import UserError, some

KEY = "ade20k_150"
NUM_CLASSES = 150
ADE_TERMS = "annotations BSD-3-Clause; images for non-commercial research and education only"
ADE_VAL_SHA256 = "302fe0402c1fa1a83d54bc5d20723d53e2367320105f036673dafb1bd88aff9d"
"""names_sha256 of ADE_val_00000001 to ADE_val_00002000."""
_FOLDERS = {"train": "training", "val": "validation"}
_URL = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"
_WANTED = f"but labels of the 150-class challenge hold 0 to {NUM_CLASSES}"


def _folders(root: Path, split: str) -> tuple[Path, Path] | None:
    images = first_folder(root / "images" / _FOLDERS[split])
    labels = first_folder(root / "annotations" / _FOLDERS[split])
    return (images, labels) if images and labels else None


def _is_root(root: Path) -> bool:
    if _folders(root, "val"):
        return True
    mapped = first_folder(root / "annotations_detectron2" / "validation")
    if mapped:
        raise UserError(
            f"{mapped} is mapped to class ids already, but the official labels are wanted: unpack "
            "ADEChallengeData2016.zip, which has the folder annotations"
        )
    return False


def ade_names(prefix: str, count: int) -> list[str]:
    """The names of the official images: their numbers run from 1 without a gap."""
    return [f"ADE_{prefix}_{number:08d}" for number in range(1, count + 1)]


def _list_split(root: Path, split: str) -> Listing | None:
    folders = _folders(root, split)
    if not folders:
        return None
    names = ade_names(split, DATASET.splits[split].num_images)
    return pair_by_stem(*folders, names)


def _read(files: Files) -> Example:
    image, size = read_image(files.image)
    raw = read_pixels(files.label, ("L", "P"), f"{_WANTED} in a grey PNG: unpack ADEChallengeData2016.zip")
    check_same_size(files.label, raw.shape, size)
    largest = raw.max(initial=0)
    if largest == 255:
        raise FileError(
            f"{files.label} holds 255",
            f"{_WANTED}: it is mapped to class ids already; unpack ADEChallengeData2016.zip instead",
        )
    if largest > NUM_CLASSES:
        raise FileError(f"{files.label} holds {largest}", f"{_WANTED}: is this the full ADE20K?")
    return Example(image, raw - np.uint8(1), distinct(raw, 256))  # 0 wraps to 255


def _review(root: Path, split: str, summary: Summary) -> list[str]:
    """Compares the number of images that show each class with the column Val of objectInfo150.txt."""
    table = root / "objectInfo150.txt"
    if split != "val" or summary.num_images != DATASET.splits["val"].num_images or not table.is_file():
        return []
    try:
        rows = [line.split("\t") for line in table.read_text("utf-8").splitlines()[1:]]
        official = {int(row[0]): int(row[3]) for row in rows}
    except (ValueError, IndexError):
        return [f"{table} is not the table of the archive: the numbers of images a class are not compared"]
    different = [
        f"{name} {found} instead of {official[number]}"
        for number, (name, found) in enumerate(
            zip(DATASET.class_names, summary.images_by_class.tolist(), strict=True), start=1
        )
        if official.get(number, found) != found
    ]
    if not different:
        return []
    return [f"images that show a class differ from the column Val of {table}: {some(different)}"]


DATASET = Dataset(
    key=KEY,
    title="ADE20K 150",
    splits={"train": Split(20_210, optional=True), "val": Split(2_000, ADE_VAL_SHA256)},
    label_dtype=np.uint8,
    num_label_ids=NUM_CLASSES,
    layout="images/validation/*.jpg with annotations/validation/*.png",
    roots=("ADEChallengeData2016", "."),
    archives=(Archive("ADEChallengeData2016.zip", _URL, 0, "sha1 219e1696abb36c8ba3a3afe7fb2f4b4606a897c7"),),
    terms=ADE_TERMS,
    is_root=_is_root,
    list_split=_list_split,
    read=_read,
    review=_review,
)
