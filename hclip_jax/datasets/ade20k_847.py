"""ADE20K with 847 classes: the full data set of 2021, at the size that the published scripts evaluate at."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.datasets.ade20k_150 import ADE_TERMS, ADE_VAL_SHA256, ade_names
from hclip_jax.datasets.dataset import Archive, Dataset, Example, FileError, Files, Listing, Split
from hclip_jax.datasets.images import check_same_size, distinct, read_image, read_pixels
from hclip_jax.datasets.locate import find_files
from hclip_jax.datasets.opencv_resize import resize_bilinear, resize_nearest
from hclip_jax.datasets.package_files import lookup_table, raw_ids
from hclip_jax.datasets.summary import Summary
from hclip_jax.errors import UserError, some

KEY = "ade20k_847"
SHORT_SIDE = 512
_NUM_RAW_IDS = 6656  # (255 // 10) * 256 + 255 is the largest
_FOLDER = Path("images/ADE/validation")
_2016 = (
    "is the ADE20K of 2016, whose class numbers differ, but ADE20K_2021_17_01 is wanted, which has a .json "
    "beside each image: download the data set of 2021"
)


def _is_root(root: Path) -> bool:
    return (root / _FOLDER).is_dir()


def _search(source: Path) -> Path | None:
    """Finds labels in any folder: registered users keep them in different places."""
    return source if next(find_files(source, "ADE_val_", "_seg.png"), None) else None


def _list_split(root: Path, split: str) -> Listing:
    if _is_root(root):
        images = {path.stem: path for path in find_files(root / _FOLDER, "ADE_val_", ".jpg")}
    else:  # not any image of such a name: ADEChallengeData2016 has them too
        labels = find_files(root, "ADE_val_", "_seg.png")
        paths = [path.with_name(path.name[: -len("_seg.png")] + ".jpg") for path in labels]
        images = {path.stem: path for path in paths if path.is_file()}
    if images and not any(path.with_suffix(".json").is_file() for path in images.values()):
        raise UserError(f"{root} {_2016}")
    files, missing = [], []
    for name in sorted(images.keys() | set(ade_names("val", DATASET.splits["val"].num_images))):
        if name not in images:
            missing.append(name)
            continue
        label = images[name].with_name(f"{name}_seg.png")
        lacking = [path.name for path in (label, images[name].with_suffix(".json")) if not path.is_file()]
        missing += lacking
        if not lacking:
            files.append(Files(name, images[name], label))
    return Listing(files, missing)


def _read(files: Files) -> Example:
    content, _ = read_image(files.image)
    with Image.open(
        io.BytesIO(content)
    ) as image:  # neither turned nor converted to RGB, as the published script
        mode, pixels = image.mode, np.asarray(image)
    if mode not in ("L", "RGB"):
        raise FileError(f"{files.image} has the mode {mode}", "but images of ADE20K are grey or RGB")
    seg = read_pixels(files.label, ("RGB", "RGBA"), "but _seg.png of ADE20K is RGB: unpack the archive again")
    check_same_size(files.label, seg.shape, pixels.shape[:2])
    ids = seg[..., 0].astype(np.uint16) // np.uint16(10) * np.uint16(256) + seg[..., 1]
    present = distinct(ids, _NUM_RAW_IDS)
    remark = _compare(files.image.with_suffix(".json"), present)
    new_size = shrunk(*ids.shape)
    if new_size != ids.shape:
        pixels, ids = resize_bilinear(pixels, new_size), resize_nearest(ids, new_size)
    buffer = io.BytesIO()
    # Small images too, and at Pillow's quality of 75: the loss is part of the protocol.
    Image.fromarray(pixels).save(buffer, "JPEG")
    return Example(buffer.getvalue(), lookup_table(KEY, _NUM_RAW_IDS, np.uint16)[ids], present, remark)


def shrunk(height: int, width: int) -> tuple[int, int]:
    """The (height, width) at which an image is evaluated: the short side is at most SHORT_SIDE."""
    if width >= height > SHORT_SIDE:
        return SHORT_SIDE, round(width / height * SHORT_SIDE)
    if height >= width > SHORT_SIDE:
        return round(height / width * SHORT_SIDE), SHORT_SIDE
    return height, width


def _compare(path: Path, present: np.ndarray) -> str:
    """Says how the ids of a label and the objects (not parts) in its .json differ; "" if they do not."""
    try:
        objects = json.loads(path.read_bytes().decode("utf-8", "replace")).get("annotation", {}).get("object")
        if objects is None:
            return ""
        named = {int(item["name_ndx"]) for item in objects if item["parts"]["part_level"] == 0}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{path} is not the .json of an image of ADE20K"
    ids = set(present.tolist()) - {0}
    if ids == named:
        return ""
    return f"{path.stem}_seg.png has {_list(ids - named)} and its .json {_list(named - ids)}"


def _list(ids: set[int]) -> str:
    return f"the ids {some(map(str, sorted(ids)))} alone" if ids else "no other id"


def _review(root: Path, split: str, summary: Summary) -> list[str]:
    if len(summary.remarks) > summary.num_images / 2:
        raise UserError(
            f"{root}: class ids of labels are not those that the .json files name in "
            f"{len(summary.remarks):,} of {summary.num_images:,} images ({summary.remarks[0]}): unpack "
            "ADE20K_2021_17_01 again"
        )
    absent = [
        name
        for name, raw in zip(DATASET.class_names, raw_ids(KEY), strict=True)
        if not summary.images_by_raw_id[raw]
    ]
    if absent and summary.num_images == DATASET.splits["val"].num_images:
        return [f"no image shows {some(absent)}, but all 847 classes occur in the official split"]
    return []


DATASET = Dataset(
    key=KEY,
    title="ADE20K 847",
    splits={"val": Split(2_000, ADE_VAL_SHA256)},
    label_dtype=np.uint16,
    num_label_ids=847,
    layout="images/ADE/validation/**/ADE_val_*.jpg with _seg.png and .json beside them",
    roots=("ADE20K_2021_17_01", "."),
    archives=(Archive("ADE20K_2021_17_01.zip", "https://ade20k.csail.mit.edu"),),
    registration="https://ade20k.csail.mit.edu/request_data",
    terms=ADE_TERMS,
    is_root=_is_root,
    search=_search,
    list_split=_list_split,
    read=_read,
    review=_review,
)
