"""Real copies have other files, links, lists of other systems and odd modes: they are read all the same."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.dataset import Split
from hclip_jax.datasets.package_files import raw_ids
from hclip_jax.datasets.prepare import open_source, verify, write
from hclip_jax.datasets.prepared import is_written, read_state
from hclip_jax.datasets.records import Record, read_records
from hclip_jax.datasets.summary import Summary
from hclip_jax.errors import UserError
from tests.datasets.cityscapes import make_cityscapes
from tests.datasets.conftest import change_label
from tests.datasets.reading import check, pixels, silent

Copy = Callable[[str], Path]


def labels_of(key: str, source: Path, split: str = "val", labels: str = "") -> dict[str, np.ndarray]:
    """Prepared labels by name."""
    found = open_source(CATALOGUE[key], source, partial=True, labels=labels)
    records: list[Record | None] = list(
        read_records(found.dataset, found.listings[split].files, Summary.empty(found.dataset))
    )
    return {record.name: pixels(record.label) for record in records if record}


def refusal(key: str, source: Path) -> str:
    with pytest.raises(UserError) as error:
        check(key, source)
    return str(error.value)


def test_coco_beside_labels_of_other_programs(copy: Copy) -> None:
    root = copy("coco-stuff")
    labels = root / "annotations/val2017"
    for path in list(labels.iterdir()):
        shutil.copy(path, path.with_name(f"{path.stem}_labelTrainIds.png"))
    (root / "annotations/instances_val2017.json").write_text("{}")
    listing = open_source(CATALOGUE["coco_stuff_171"], root, partial=True).listings["val"]
    assert [files.name for files in listing.files] == ["000000001009", "000000001010"]
    assert not listing.missing


@pytest.mark.parametrize(
    "place", ["stuffthingmaps/val2017", "stuffthingmaps_trainval2017/val2017", "val2017"]
)
def test_coco_as_the_archives_unpack(place: str, copy: Copy, expected: dict[str, np.ndarray]) -> None:
    official = copy("coco-stuff")
    root = official.with_name("coco")
    shutil.copytree(official / "images/val2017", root / "val2017")
    shutil.copytree(official / "annotations/val2017", root / place, dirs_exist_ok=True)
    (root / "annotations").mkdir()
    (root / "annotations/captions_val2017.json").write_text("{}")
    shutil.rmtree(official)
    for name, label in labels_of("coco_stuff_171", root.parent).items():
        np.testing.assert_array_equal(label, expected[f"coco_stuff_171/val/{name}"])


def test_ade20k_847_through_links(copy: Copy, tmp_path: Path, expected: dict[str, np.ndarray]) -> None:
    validation = copy("ADE20K_2021_17_01") / "images/ADE/validation"
    (validation / "urban").rename(tmp_path / "elsewhere")
    (validation / "urban").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to(validation)
    labels = labels_of("ade20k_847", validation.parents[2])
    assert len(labels) == 3
    for name, label in labels.items():
        np.testing.assert_array_equal(label, expected[f"ade20k_847/val/{name}"])


def test_ade20k_847_is_not_turned(copy: Copy, expected: dict[str, np.ndarray]) -> None:
    root = copy("ADE20K_2021_17_01")
    path = next(root.rglob("ADE_val_00000001.jpg"))
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6  # a quarter turn, which the published script does not look at
        image.save(path, exif=exif)
    seg = path.with_name(f"{path.stem}_seg.png")
    with Image.open(seg) as image:
        image.convert("RGBA").save(seg)
    np.testing.assert_array_equal(
        labels_of("ade20k_847", root)[path.stem], expected["ade20k_847/val/ADE_val_00000001"]
    )


def test_a_list_of_another_system(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2012")
    path = root / "ImageSets/Segmentation/val.txt"
    names = path.read_text().split()
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(names).encode())
    assert sorted(labels_of("pascal_voc_20b", root)) == sorted(names)
    path.write_bytes(b"\xff\xfe")
    assert refusal("pascal_voc_20", root) == f"{path} is not UTF-8 text (byte 0): unpack the archive again"
    path.write_text("<!DOCTYPE html>")
    assert f"{path} is a web page" in refusal("pascal_voc_20", root)


def test_suffixes_in_upper_case(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2012")
    for path in [*root.glob("JPEGImages/*.jpg"), *root.glob("SegmentationClass/*.png")]:
        path.rename(path.with_suffix(path.suffix.upper()))
    assert len(labels_of("pascal_voc_20b", root)) == 3


def test_grey_masks_of_voc(copy: Copy, expected: dict[str, np.ndarray]) -> None:
    root = copy("VOCdevkit/VOC2012")
    masks = root / "SegmentationClass"
    for path in masks.iterdir():
        change_label(path, lambda ids: ids)
    masks.rename(root / "SegmentationClassAug")
    for name, label in labels_of("pascal_voc_20", root).items():
        np.testing.assert_array_equal(label, expected[f"pascal_voc_20/val/{name}"])


def test_names_beside_the_label_maps(copy: Copy) -> None:
    root = copy("VOCdevkit/VOC2010")
    path = (root / "labels.txt").rename(root / "trainval/labels.txt")
    assert len(labels_of("pascal_context_459", root)) == 2
    path.write_text(path.read_text().replace("2: aeroplane", "2: airplane"))
    assert f"{path} names class 2 'airplane'" in refusal("pascal_context_459", root)


@pytest.mark.parametrize("options", [{"do_compression": True}, {"format": "4"}])
def test_label_maps_of_other_versions(options: dict, copy: Copy, expected: dict[str, np.ndarray]) -> None:
    root = copy("VOCdevkit/VOC2010")
    path = root / "trainval/2008_000002.mat"
    scipy.io.savemat(path, {"LabelMap": scipy.io.loadmat(path)["LabelMap"]}, **options)
    label = labels_of("pascal_context_459", root)["2008_000002"]
    np.testing.assert_array_equal(label, expected["pascal_context_459/val/2008_000002"])


def test_pascal_context_59_from_label_maps(copy: Copy, tmp_path: Path) -> None:
    root = copy("VOCdevkit/VOC2010")
    (root / "trainval_merged.json").unlink()
    ids = raw_ids("pascal_context_59").tolist()
    for name, label in labels_of("pascal_context_59", root, labels="mat").items():
        raw = scipy.io.loadmat(root / f"trainval/{name}.mat")["LabelMap"]
        wanted = [[ids.index(value) if value in ids else 255 for value in row] for row in raw.tolist()]
        np.testing.assert_array_equal(label, wanted)
    dataset, folder = CATALOGUE["pascal_context_59"], tmp_path / "target/pascal_context_59"
    write(open_source(dataset, root, partial=True, labels="mat"), folder, "folder", silent)
    state = read_state(folder)
    assert state
    assert state.splits["val"].describe() == "2 of 5,104 (partial, labels: mat, not comparable)"
    assert is_written(dataset, folder, partial=True, data_format="folder", labels="mat")
    with pytest.raises(UserError, match="is prepared with other labels"):
        is_written(dataset, folder, partial=True)
    with pytest.raises(UserError, match="is prepared with --format=folder: give another --target"):
        is_written(dataset, folder, partial=True, data_format="tfds", labels="mat")
    splits = {"val": Split(2)}  # the copy is whole, but its labels are others all the same
    whole = dataclasses.replace(dataset, splits=splits)
    state = verify(open_source(whole, root, partial=False, labels="mat"), silent).state
    assert state.splits["val"].describe() == "2 (labels: mat, not comparable)"
    assert not state.is_complete
    with pytest.raises(UserError, match="pascal_context_59 has no labels 'x': give mat, or leave --labels"):
        open_source(dataset, root, partial=True, labels="x")
    with pytest.raises(UserError, match="pascal_voc_20 has no labels 'mat': leave --labels out"):
        open_source(CATALOGUE["pascal_voc_20"], root, partial=True, labels="mat")


def test_cityscapes_as_the_archives_unpack_and_train_ids(tmp_path: Path) -> None:
    root = tmp_path / "cityscapes"
    expected = make_cityscapes(root)
    for kind in ("leftImg8bit", "gtFine"):
        (root / f"{kind}_trainvaltest").mkdir()
        (root / kind).rename(root / f"{kind}_trainvaltest" / kind)
    for path in list(root.rglob("frankfurt*_gtFine_labelIds.png")):
        name = path.stem.removesuffix("_gtFine_labelIds")
        Image.fromarray(expected[f"val/{name}"]).save(path.with_name(f"{name}_gtFine_labelTrainIds.png"))
        path.unlink()
    labels = labels_of("cityscapes_19", tmp_path)
    assert len(labels) == 3
    for name, label in labels.items():
        np.testing.assert_array_equal(label, expected[f"val/{name}"])


def test_wrong_cityscapes(tmp_path: Path) -> None:
    root = tmp_path / "cityscapes"
    make_cityscapes(root)
    label = next(root.rglob("munster_000000_000019_gtFine_labelIds.png"))
    change_label(label, lambda ids: np.where(ids == 5, 255, ids))
    assert refusal("cityscapes_19", tmp_path).startswith(
        f"{label} holds 255, but its ids are 0 to 33: unpack"
    )
    label.rename(label.with_name("munster_000000_000019_gtFine_labelTrainIds.png"))
    assert "holds 33, but its ids are 0 to 18 and 255" in refusal("cityscapes_19", tmp_path)
    (root / "gtFine").rename(root / "gtCoarse")
    assert f"{root / 'gtCoarse'} has the coarse labels" in refusal("cityscapes_19", tmp_path)
