from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.colour_map import read_colour_map, read_coloured_label
from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import Layout
from hclip_jax.errors import UserError

CVAT = """# label:color_rgb:parts:actions
background:0,0,0::
car:250,50,83::
tall tree:51, 221, 255::
void:1,2,3::
"""
COLOURS = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255], [1, 2, 3]], np.uint8)
IDS = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 1, 2]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("images", "labels"):
        (tmp_path / kind / "train").mkdir(parents=True)
    Image.fromarray(COLOURS[IDS]).save(tmp_path / "labels/train/a.png")
    Image.new("RGB", (4, 3)).save(tmp_path / "images/train/a.jpg")
    (tmp_path / "labelmap.txt").write_text(CVAT)
    return tmp_path


def source(folder: Path, classes_file: str = "", ignore: tuple[int, ...] = ()) -> FolderSource:
    layout = Layout(colour_map=str(folder / "labelmap.txt"))
    return FolderSource(folder, "train", classes_file, ignore, layout)


def test_colours_become_ids_in_the_order_of_the_map(folder: Path) -> None:
    assert source(folder).class_names == ("background", "car", "tall tree")
    np.testing.assert_array_equal(source(folder)[0]["label"], np.where(IDS == 3, -1, IDS))
    np.testing.assert_array_equal(source(folder, ignore=(0,))[0]["label"], np.where(IDS % 3 == 0, -1, IDS))


def test_a_class_list_gives_the_ids_by_name(folder: Path) -> None:
    (folder / "classes.txt").write_text("sky\nplant, tall tree\ncar\nbackground")
    assert source(folder).class_names == ("sky", "plant, tall tree", "car", "background")
    np.testing.assert_array_equal(source(folder)[0]["label"], np.array([3, 2, 1, -1])[IDS])


@pytest.mark.parametrize("form", ["P", "RGBA"])
def test_colours_of_a_palette_and_without_transparency(folder: Path, form: str) -> None:
    path = folder / "labels/train/a.png"
    if form == "RGBA":
        Image.open(path).convert("RGBA").save(path)
    else:
        image = Image.new("P", (4, 3))
        image.putdata((9 - IDS).ravel().tolist())
        image.putpalette(np.concatenate([np.full((6, 3), 77), COLOURS[::-1]]).astype(np.uint8).tobytes())
        image.save(path)
    np.testing.assert_array_equal(source(folder)[0]["label"], np.where(IDS == 3, -1, IDS))


def test_a_colour_that_the_map_lacks(folder: Path) -> None:
    pixels = COLOURS[IDS]
    pixels[2, :2], pixels[0, 0] = (249, 50, 83), (9, 9, 9)
    Image.fromarray(pixels).save(folder / "labels/train/a.png")
    message = (
        r"labels/train/a\.png has 2 pixels of the colour \(249, 50, 83\) and 1 other colours that "
        r".*labelmap\.txt lacks; the nearest of the map is \(250, 50, 83\) \(car\): add"
    )
    with pytest.raises(UserError, match=message):
        source(folder)[0]


@pytest.mark.parametrize(("mode", "message"), [("I;16", "has the mode I;16"), ("RGBA", "transparent pixels")])
def test_labels_without_colours(folder: Path, mode: str, message: str) -> None:
    Image.new(mode, (4, 3), 0).save(folder / "labels/train/a.png")
    with pytest.raises(UserError, match=message):
        source(folder)[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# only\n", "holds no colours"),
        ("car:1,2,3::\nbus:1,2,3::", r"line 1 and line 2 have the same colour \(1, 2, 3\)"),
        ("car:1,2,300::", "line 1 is 'car:1,2,300::', no colour of a class"),
        ("car 1 2 3", "no colour of a class"),
        ("car:::", "no colour of a class"),
        ("car:1,2,3::\ncar:1,2,4::", "are both 'car'"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_maps_that_are_none(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "map.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message):
        read_colour_map(str(path))


def test_a_missing_map(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist; give a colour map, or 'voc'"):
        read_colour_map(str(tmp_path / "no.txt"))


def test_the_colours_of_pascal_voc(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    colours = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (192, 128, 128), (0, 64, 128), (224, 224, 192)]
    Image.fromarray(np.array([colours], np.uint8)).save(path)
    voc = read_colour_map("voc")
    assert (len(voc.class_names), voc.class_names[15], voc.class_names[20]) == (21, "person", "tv monitor")
    np.testing.assert_array_equal(read_coloured_label(path, voc), [[0, 1, 2, 15, 20, 65535]])
    assert read_colour_map("voc", ("a", "b")).class_names == ("a", "b")


def test_the_digest_changes_with_the_map(folder: Path) -> None:
    before = source(folder).digest()
    (folder / "labelmap.txt").write_text(CVAT.replace("1,2,3", "1,2,4"))
    assert source(folder).digest() != before
