import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import Layout
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError
from hclip_jax.inference.segmentation import Segmentation
from hclip_jax.tools.segment_formats import write_formats

SIZE = (6, 8)  # height, width
LAYOUT = Layout("*.*", "*.json")
SKY = {"label": "sky", "shape_type": "rectangle", "points": [[8, 0], [0, 3]]}
CAT = {"label": "cat", "points": [[2, 2], [6, 2], [6, 5], [2, 5]]}


def write(root: Path, *shapes: Any, name: str = "a", **fields: Any) -> None:
    """Writes an image with its JSON."""
    Image.new("RGB", SIZE[::-1], (9, 9, 9)).save(root / f"{name}.png")
    size = {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    content = {"imagePath": "elsewhere.png", "imageData": "AAAA", "shapes": shapes, **size, **fields}
    (root / f"{name}.json").write_text(json.dumps(content))


def refusal(root: Path, classes_file: str = "") -> str:
    with pytest.raises(UserError) as error:
        FolderSource(root, "train", classes_file, layout=LAYOUT)
    return str(error.value)


def test_later_shapes_lie_over_earlier_ones(tmp_path: Path) -> None:
    write(tmp_path, SKY, CAT, name="b")
    write(tmp_path, CAT, {**SKY, "label": "__ignore__"}, name="c", imageHeight=None, imageWidth=None)
    write(tmp_path)
    source = open_source(str(tmp_path), "train", layout=LAYOUT)
    assert source.class_names == ("cat", "sky")
    expected = np.full(SIZE, -1)
    expected[:3] = 1
    expected[2:5, 2:6] = 0
    assert [source[index]["name"] for index in range(3)] == ["a", "b", "c"]
    assert (source[0]["label"] == -1).all()
    np.testing.assert_array_equal(source[1]["label"], expected)
    expected[:3] = -1
    np.testing.assert_array_equal(source[2]["label"], expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[2]["label"], expected)
    before = source.digest()
    write(tmp_path, CAT)
    assert FolderSource(tmp_path, "train", layout=LAYOUT).digest() != before


def test_a_circle(tmp_path: Path) -> None:
    write(tmp_path, {"label": "sun", "shape_type": "circle", "points": [[4, 3], [4, 1]]})
    label = FolderSource(tmp_path, "train", layout=LAYOUT)[0]["label"]
    y, x = np.mgrid[:6, :8] + 0.5
    np.testing.assert_array_equal(label == 0, (x - 4) ** 2 + (y - 3) ** 2 < 4)


def test_a_class_list_decides_the_ids(tmp_path: Path) -> None:
    write(tmp_path, SKY, CAT)
    (tmp_path / "classes.txt").write_text("tree\nSKY\nanimal, cat")
    source = FolderSource(tmp_path, "train", layout=LAYOUT)
    assert source.class_names == ("tree", "SKY", "animal, cat")
    assert set(np.unique(source[0]["label"])) == {-1, 1, 2}
    (tmp_path / "classes.txt").unlink()
    (tmp_path / "other.txt").write_text("sky")
    message = refusal(tmp_path, str(tmp_path / "other.txt"))
    assert message.startswith(f"{tmp_path / 'a.json'}: a shape has the name 'cat', which is in no line")


def test_what_segment_writes_is_read_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(-1, 3, (6, 7))
    ids = np.kron(coarse, np.ones((5, 4), np.int64)).astype(np.int32)
    ids[8:12, 5:9] = generator.integers(-1, 3, (4, 4))
    image = np.zeros((*ids.shape, 3), np.uint8)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(image).save(photos / "x.png")
    names = ("cat, kitten", "sky", "tall grass")
    segmentation = Segmentation(image, names, ids, np.ones(ids.shape, np.float32), lambda: ids)
    write_formats(segmentation, photos / "x.png", tmp_path / "out", ["polygons"])
    layout = Layout(f"{photos}/*.*", "polygons/*.json")
    (tmp_path / "out/classes.txt").write_text("\n".join(names))
    label = FolderSource(tmp_path / "out", "train", layout=layout)[0]["label"]
    np.testing.assert_array_equal(label, ids)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({**CAT, "points": [[1, 1], [2, 2]]}, "a polygon without 3 or more points"),
        ({**CAT, "points": [[1, 1], [2, 2], [3, None]]}, "a polygon without 3 or more points"),
        ({**CAT, "points": "none"}, "a polygon without 3 or more points"),
        ({**SKY, "points": [[1, 1]]}, "a rectangle without 2 points"),
        ({**SKY, "shape_type": "circle", "points": [[1, 1], [2, float("nan")]]}, "a circle without 2 points"),
        ({**CAT, "shape_type": "linestrip"}, "of the type 'linestrip', which has no area: draw a polygon"),
        ({**CAT, "shape_type": "mask"}, "of the type 'mask', which is not read: draw a polygon"),
        ({**CAT, "shape_type": ["mask"]}, "of the type ['mask'], which is not read"),
        ({**CAT, "label": " "}, "shape 1 (from 0) with the label ' ', which must be the name of a class"),
        ({**CAT, "label": None}, "with the label None"),
        ("cat", "is no JSON of LabelMe, since it has no list of shapes"),
    ],
)
def test_each_mistake_is_one_sentence(shape: Any, message: str, tmp_path: Path) -> None:
    write(tmp_path, SKY, shape)
    found = refusal(tmp_path)
    assert found.startswith(f"{tmp_path / 'a.json'} ")
    assert message in found


def test_files_that_are_wrong(tmp_path: Path) -> None:
    write(tmp_path, CAT, imageHeight="6")
    assert "imageHeight and imageWidth ('6', 8), which must be numbers of pixels" in refusal(tmp_path)
    (tmp_path / "a.json").write_text('{"shapes": [')
    assert "a.json cannot be read as JSON" in refusal(tmp_path)
    write(tmp_path)
    assert "no shape in a.json" in refusal(tmp_path)
    write(tmp_path, CAT, imageHeight=8, imageWidth=6)
    assert "a.json is 6x8 and its image 8x6: make each label as large" in refusal(tmp_path)
    write(tmp_path, CAT)
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "b.jpg")
    assert "no label for b.jpg" in (message := refusal(tmp_path))
    assert "add a JSON of LabelMe that *.json matches or remove the image" in message
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.jpg")
    assert "a.jpg and a.png" in refusal(tmp_path)
    with pytest.raises(UserError, match=r"'\.' has 0 \* and .* such as \*\.\* and \*\.json"):
        FolderSource(tmp_path, "train", layout=Layout(".", "*.json"))
    with pytest.raises(UserError, match=r"a\.json is a JSON of LabelMe.* such as \*\.json"):
        FolderSource(tmp_path, "train", layout=Layout(".", "a.json"))


def test_the_check_names_each_file(tmp_path: Path) -> None:
    for name in "abcd":
        write(tmp_path, SKY, CAT, name=name)
    write(tmp_path, {**CAT, "shape_type": "line"}, name="b")
    write(tmp_path, CAT, name="c", imageWidth=9)
    (tmp_path / "d.json").write_text("{")
    report = check_folder(tmp_path, layout=LAYOUT)
    assert [(one.name, one.pixels) for one in report.classes] == [("cat", 24), ("sky", 20)]
    found = [(issue.level, issue.items, issue.message, issue.fix) for issue in report.issues]
    errors = [line for line in found if line[0] == "error"]
    assert [items[0].split(" (")[0] for _, items, *_ in errors] == ["b.json", "c.json", "d.json"]
    assert "of the type 'line', which has no area" in errors[0][1][0]
    assert errors[0][3] == "draw a polygon, rectangle or circle in its place, or remove it"
    assert "9x6, not 8x6" in errors[1][1][0]
    assert errors[2][3] == "give a JSON of LabelMe, with shapes"
