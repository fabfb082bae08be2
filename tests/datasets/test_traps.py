"""Copies that are known to go wrong: each is refused, or gets a warning, in a sentence of its own."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.dataset import Split
from hclip_jax.errors import UserError
from tests.datasets.conftest import change_label
from tests.datasets.reading import check

Copy = Callable[[str], Path]


def refusal(key: str, source: Path, *, partial: bool = True) -> str:
    with pytest.raises(UserError) as error:
        check(key, source, partial=partial)
    return str(error.value)


def make_coco(root: Path, count: int, label: np.ndarray) -> Path:
    """`count` equal pairs in the layout of COCO's own archives."""
    images, labels = root / "val2017", root / "stuffthingmaps/val2017"
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    Image.fromarray(np.zeros((*label.shape, 3), np.uint8)).save(images / "000000000000.jpg")
    Image.fromarray(label).save(labels / "000000000000.png")
    for index in range(1, count):
        shutil.copy(images / "000000000000.jpg", images / f"{index:012d}.jpg")
        shutil.copy(labels / "000000000000.png", labels / f"{index:012d}.png")
    return root


def test_coco_stuff_only_maps(copy: Copy) -> None:
    root = copy("coco-stuff")
    label = root / "annotations/val2017/000000001009.png"
    change_label(label, lambda ids: ids % 91 + 93)
    assert refusal("coco_stuff_171", root) == (
        f"{label} holds 183, but stuffthingmaps hold 0 to 181 and 255: this is the stuff-only pixel map of "
        "the COCO API; unpack stuffthingmaps_trainval2017.zip instead"
    )


def test_coco_without_things(tmp_path: Path) -> None:
    root = make_coco(tmp_path, 200, np.array([[92, 181], [255, 100]], np.uint8))
    assert "holds no value below 91 in 200 files, but stuffthingmaps" in refusal("coco_stuff_171", root)
    (root / "val2017/000000000000.jpg").unlink()
    assert check("coco_stuff_171", root).state.splits["val"].num_images == 199  # of few files nothing follows


@pytest.mark.parametrize(("count", "first"), [(200, 12), (3, 11)])
def test_coco_that_is_mapped_already(count: int, first: int, tmp_path: Path) -> None:
    root = make_coco(tmp_path, count, np.array([[first, 170], [255, 100]], np.uint8))
    (warning,) = check("coco_stuff_171", root).state.warnings
    assert f"is mapped already, it seems (no value above 170 in {count} files)" in warning


@pytest.mark.parametrize(
    ("key", "name", "labels"),
    [
        ("coco_stuff_171", "coco-stuff", "annotations"),
        ("ade20k_150", "ADEChallengeData2016", "annotations"),
        ("pascal_voc_20", "VOCdevkit/VOC2012", "SegmentationClass"),
        ("pascal_voc_20b", "VOCdevkit/VOC2012", "SegmentationClass"),
    ],
)
def test_only_labels_of_the_published_script(key: str, name: str, labels: str, copy: Copy) -> None:
    root = copy(name)
    (root / labels).rename(root / "annotations_detectron2")
    assert "is mapped to class ids already, but the official" in refusal(key, root)


def test_ade20k_150_from_the_full_data_set(copy: Copy) -> None:
    root = copy("ADEChallengeData2016")
    label = root / "annotations/validation/ADE_val_00000001.png"
    change_label(label, lambda ids: np.where(ids == 7, 151, ids))
    assert refusal("ade20k_150", root) == (
        f"{label} holds 151, but labels of the 150-class challenge hold 0 to 150: is this the full ADE20K?"
    )
    change_label(label, lambda ids: np.where(ids == 151, 255, ids))
    assert "holds 255, but labels of the 150-class challenge hold 0 to 150: it is mapped" in refusal(
        "ade20k_150", root
    )


def test_ade20k_150_and_its_own_table(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy("ADEChallengeData2016")
    monkeypatch.setitem(CATALOGUE["ade20k_150"].splits, "val", Split(2))
    names = CATALOGUE["ade20k_150"].class_names
    rows = [f"{number}\t0.1\t9\t2\t{name}" for number, name in enumerate(names, start=1)]
    (root / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tName", *rows]))
    assert not check("ade20k_150", root).state.warnings
    change_label(root / "annotations/validation/ADE_val_00000001.png", lambda ids: np.where(ids == 2, 0, ids))
    (warning,) = check("ade20k_150", root).state.warnings
    assert warning.endswith("objectInfo150.txt: building 1 instead of 2")


def test_ade20k_of_2016(copy: Copy, tmp_path: Path) -> None:
    root = copy("ADE20K_2021_17_01")
    for path in root.rglob("*.json"):
        path.unlink()
    assert f"{root} is the ADE20K of 2016, whose class numbers differ" in refusal("ade20k_847", root)
    (root / "images/ADE/validation").rename(root / "images/validation")  # its own layout
    (root / "images/validation/urban/scene_1/ADE_val_00000001_atr.txt").write_text("")
    assert "is the ADE20K of 2016, whose class numbers differ" in refusal("ade20k_847", root.parent)


def test_ade20k_in_any_folder(copy: Copy, tmp_path: Path) -> None:
    root = copy("ADE20K_2021_17_01")
    (root / "images/ADE/validation").rename(tmp_path / "somewhere")
    assert check("ade20k_847", tmp_path / "somewhere").state.splits["val"].num_images == 3


def test_ade20k_847_whose_json_names_other_objects(copy: Copy) -> None:
    root = copy("ADE20K_2021_17_01")
    jsons = sorted((root / "images/ADE/validation").rglob("*.json"))

    def write(path: Path, *numbers: int) -> None:
        objects = [{"name_ndx": number, "parts": {"part_level": 0}} for number in numbers]
        part = {"name_ndx": 5, "parts": {"part_level": 1}}
        path.write_text(json.dumps({"annotation": {"object": [*objects, part]}}))

    write(jsons[0], 312)
    (warning,) = check("ade20k_847", root).state.warnings
    assert "_seg.png has the ids" in warning
    assert "its .json no other id" in warning
    write(jsons[1], 312)
    assert "are not those that the .json files name in 2 of 3 images" in refusal("ade20k_847", root)


def test_colours_instead_of_indices(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2012")
    for path in (root / "SegmentationClass").glob("*.png"):
        with Image.open(path) as image:
            colours = image.convert("RGB")
        colours.save(path)
    message = refusal("pascal_voc_20", root)
    assert "has the mode RGB, " in message
    assert (
        "but a mask of VOC is a palette or grey PNG with the indices 0 to 20 and 255, not colours" in message
    )
    assert "SegmentationClass/2007_000033.png has the mode RGB, " in message
    assert message.count("has the mode") == 3  # all of val.txt, in one sentence


def test_masks_with_other_values(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2012")
    change_label(root / "SegmentationClass/2008_000002.png", lambda ids: np.where(ids == 3, 21, ids))
    assert "2008_000002.png holds 21, but a mask of VOC" in refusal("pascal_voc_20b", root)


def test_a_list_that_was_split_again(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy("VOCdevkit/VOC2012")
    message = refusal("pascal_voc_20", root, partial=False)
    assert message.startswith(
        "pascal_voc_20: 3 of 1,449 validation images; its list of names is not the official"
    )
    assert "as in a copy that was split again" in message


def test_pascal_context_labels(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2010")
    mat = root / "trainval/2008_000002.mat"
    label = scipy.io.loadmat(mat)["LabelMap"]
    for changed, found in (
        (np.where(label == 9, 0, label).astype(np.uint16), "holds 0"),
        (np.where(label == 9, 460, label).astype(np.uint16), "holds 460"),
        (label.astype(np.int32), "has a LabelMap of int32 [31, 42]"),
    ):
        scipy.io.savemat(mat, {"LabelMap": changed})
        assert f"{mat} {found}, but LabelMap is uint16 with 1 to 459" in refusal("pascal_context_459", root)
    scipy.io.savemat(mat, {"Other": label})
    assert f"{mat} has no LabelMap" in refusal("pascal_context_459", root)
    mat.write_bytes(b"<html>")
    assert f"{mat} is a web page, not the file" in refusal("pascal_context_459", root)


def test_pascal_context_names(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2010")
    text = (root / "labels.txt").read_text()
    (root / "labels.txt").write_text(text.replace("2: aeroplane", "2: zebra"))
    assert "labels.txt names class 2 'zebra', but it is 'aeroplane'" in refusal("pascal_context_459", root)


def test_pascal_context_json(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2010")
    path = root / "trainval_merged.json"
    content = json.loads(path.read_text())

    def refused(**changes: object) -> str:
        path.write_text(json.dumps({**content, **changes}))
        return refusal("pascal_context_59", root)

    masks = content["annos_segmentation"]
    assert "is not the list of PASCAL in Detail (KeyError" in refused(images=[{}])
    assert "has no mask of 2008_00000" in refused(annos_segmentation=masks[-1:])
    broken = [{**masks[0], "segmentation": {"size": [31, 42], "counts": "11"}}, *masks[1:]]
    assert "a mask of 2008_000002 in" in refused(annos_segmentation=broken)
    broken = [{**masks[0], "segmentation": {"size": [30, 42], "counts": "1"}}, *masks[1:]]
    assert "is damaged (its size is [30, 42])" in refused(annos_segmentation=broken)
    images = [{**image, "height": 99} for image in content["images"]]
    assert "is 42x99 and its image 42x31" in refused(images=images)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "is a pointer of Git LFS" in refusal("pascal_context_59", root)
    path.unlink()
    assert "trainval_merged.json not found in" in refusal("pascal_context_59", root)


@pytest.mark.parametrize(
    ("key", "name", "image"),
    [
        ("coco_stuff_171", "coco-stuff", "images/val2017/000000001009.jpg"),
        ("ade20k_150", "ADEChallengeData2016", "images/validation/ADE_val_00000001.jpg"),
        ("ade20k_847", "ADE20K_2021_17_01", "images/ADE/validation/urban/scene_1/ADE_val_00000001.jpg"),
        ("pascal_voc_20", "VOCdevkit/VOC2012", "JPEGImages/2008_000002.jpg"),
        ("pascal_context_59", "VOCdevkit/VOC2010", "JPEGImages/2008_000002.jpg"),
        ("pascal_context_459", "VOCdevkit/VOC2010", "JPEGImages/2008_000002.jpg"),
    ],
)
def test_damaged_and_missing_images(key: str, name: str, image: str, copy: Copy) -> None:
    root = copy(name)
    content = (root / image).read_bytes()
    (root / image).write_bytes(content[: len(content) // 2])
    assert f"{root / image} is damaged (" in refusal(key, root)
    (root / image).write_bytes(b"")
    assert f"{root / image} is empty" in refusal(key, root)
    Image.fromarray(np.zeros((3, 5, 3), np.uint8)).save(root / image)
    assert "and its image 5x3, but a label is as large as its image" in refusal(key, root)
    (root / image).unlink()
    assert f"missing {Path(image).stem}" in refusal(key, root, partial=False)


def test_another_format_behind_the_suffix(copy: Copy) -> None:
    root = copy("coco-stuff")
    path = root / "images/val2017/000000001009.jpg"
    with Image.open(path) as image:
        image.save(path, "PNG")
    assert f"{path} is damaged (" in refusal("coco_stuff_171", root)


def test_missing_sources(tmp_path: Path) -> None:
    for key, entry in CATALOGUE.items():
        message = refusal(key, tmp_path)
        assert f"not found in {tmp_path / entry.roots[0]}, " in message
        assert all(archive.url in message for archive in entry.archives)
        assert entry.terms in message
    assert "request_data" in refusal("ade20k_847", tmp_path)
    assert refusal("ade20k_847", tmp_path / "none").endswith(
        "is no folder: give the folder of the unpacked archives"
    )
