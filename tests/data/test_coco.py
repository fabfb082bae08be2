import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import Layout
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError
from hclip_jax.inference.polygons import mask_polygons
from tests.data.coco_set import SIZE, instances, label, panoptic, write

LAYOUT = Layout("images", "instances.json")


def opened(root: Path, layout: Layout = LAYOUT, classes_file: str = "") -> FolderSource:
    return FolderSource(root, "train", classes_file, layout=layout)


def test_polygons_and_runs_the_smallest_last(tmp_path: Path) -> None:
    write(tmp_path, instances())
    source = open_source(str(tmp_path), "train", layout=LAYOUT)
    assert (source.class_names, len(source)) == (("cat", "sky", "grass"), 2)
    assert [source[index]["name"] for index in range(2)] == ["a", "b"]
    assert (source[0]["label"] == -1).all()  # without an annotation
    np.testing.assert_array_equal(source[1]["label"], label())
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[1]["label"], label())


def test_polygons_of_a_label_give_the_label(tmp_path: Path) -> None:
    content = instances()
    expected = np.array([[0, 0, 1, 1, 1, 1, 2, 2]] * 2 + [[0, 1, 1, 2, 2, 1, 1, 0]] * 3 + [[2] * 8])
    content["annotations"] = [
        {
            "image_id": 5,
            "category_id": category,
            "segmentation": [polygon.ravel().tolist() for polygon in mask_polygons(expected == t)],
        }
        for t, category in enumerate((90, 7, 12))
    ]
    write(tmp_path, content)
    np.testing.assert_array_equal(opened(tmp_path)[1]["label"], expected)


def test_polygons_of_two_points_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = instances()
    content["annotations"][1]["segmentation"] += [[3, 3, 4, 4], [1, 1], []]
    content["annotations"].append({**content["annotations"][1], "segmentation": [[0, 0, 7, 5]]})
    write(tmp_path, content)
    np.testing.assert_array_equal(opened(tmp_path)[1]["label"], label())
    warning = f"warning: {tmp_path / 'instances.json'}: 4 polygons of fewer than 3 points are left out\n"
    assert capsys.readouterr().out == warning


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("train\\b.png", r"path of Windows: write / for each \\ in the file_name of all images"),
        ("https://host/b.png", "an address: download the images, and write their names"),
        ("elsewhere/b.png", "give the folder from which the JSON names its images"),
    ],
)
def test_names_that_are_no_paths_have_a_hint(name: str, fix: str, tmp_path: Path) -> None:
    content = instances()
    for index, image in enumerate(content["images"]):
        image["file_name"] = name.replace("b.png", f"{index}.png")
    write(tmp_path, content)
    with pytest.raises(UserError, match=fix):
        opened(tmp_path)


def test_a_dot_before_a_name_means_nothing(tmp_path: Path) -> None:
    content = instances()
    content["images"][0]["file_name"] = "./b.png"
    write(tmp_path, content)
    np.testing.assert_array_equal(opened(tmp_path)[1]["label"], label())


def test_a_small_crowd_is_below_all_others(tmp_path: Path) -> None:
    content = instances()
    content["annotations"][0]["iscrowd"], content["annotations"][2]["iscrowd"] = 1, 0
    write(tmp_path, content)
    np.testing.assert_array_equal(opened(tmp_path)[1]["label"] == 0, np.zeros(SIZE))


def test_a_class_list_gives_the_ids_by_name(tmp_path: Path) -> None:
    write(tmp_path, instances())
    (tmp_path / "list.txt").write_text("tree\ngrass\nblue sky, sky\ncat")
    source = opened(tmp_path, classes_file=str(tmp_path / "list.txt"))
    np.testing.assert_array_equal(source[1]["label"], np.array([3, 2, 1])[label()])
    (tmp_path / "list.txt").write_text("tree\ncat\nsky")
    with pytest.raises(UserError, match=r"instances\.json: categories has the name 'grass'"):
        opened(tmp_path, classes_file=str(tmp_path / "list.txt"))


def test_a_category_that_means_no_label(tmp_path: Path) -> None:
    content = instances()
    content["categories"][0]["name"] = "Unlabeled"
    write(tmp_path, content)
    source = opened(tmp_path)
    assert source.class_names == ("sky", "grass")
    np.testing.assert_array_equal(source[1]["label"], label() - 1)


def test_panoptic(tmp_path: Path) -> None:
    write(tmp_path, panoptic(tmp_path), "panoptic.json")
    source = opened(tmp_path, Layout("images", "panoptic.json"))
    expected = label()
    expected[0, 0] = -1
    np.testing.assert_array_equal(source[1]["label"], expected)
    assert (source[0]["label"] == -1).all()
    pixels = np.zeros((*SIZE, 3), np.uint8)
    pixels[0, :3] = 9
    Image.fromarray(pixels).save(tmp_path / "panoptic/a.png")
    with pytest.raises(UserError, match=r"a\.png has 3 pixels of segments that .*panoptic\.json does not"):
        source[0]
    Image.new("L", SIZE[::-1]).save(tmp_path / "panoptic/a.png")
    with pytest.raises(UserError, match="has the mode L, but the ids of segments"):
        source[0]
    (tmp_path / "panoptic/a.png").unlink()
    with pytest.raises(UserError, match=r"no label for a\.png in .*: add a PNG that panoptic\.json lists"):
        opened(tmp_path, Layout("images", "panoptic.json"))


def test_images_on_either_side_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = instances()
    write(tmp_path, content)
    (tmp_path / "images/b.png").rename(tmp_path / "images/c.png")
    assert len(opened(tmp_path)) == 1
    out = capsys.readouterr().out
    assert "labels without an image: b.png" in out
    assert "images that the JSON of the labels does not name: c.png" in out
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no image of .*instances\.json is in .*empty, such as .*a\.png"):
        opened(tmp_path, Layout("empty", "instances.json"))


def test_sizes_that_differ(tmp_path: Path) -> None:
    content = instances()
    write(tmp_path, content)
    Image.new("RGB", SIZE).save(tmp_path / "images/a.png")
    message = r"labels in .*instances\.json .* differ in size: the label of a\.png is 8x6 and its image 6x8"
    with pytest.raises(UserError, match=message):
        opened(tmp_path)
    for image in content["images"]:
        image["height"], image["width"] = 2**20, 2**20
    write(tmp_path, content)
    with pytest.raises(UserError, match="differ in size"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("1", r"an annotation of b\.png is broken \(its runs do not add up to 8 x 6\): export it again"),
        ([1, "a"], "has runs that are no whole numbers"),
        ([1.5, 46.5], "has runs that are no whole numbers"),
        ("o" * 10_000, "is broken"),
    ],
)
def test_broken_runs(tmp_path: Path, counts: object, message: str) -> None:
    content = instances()
    content["annotations"][0]["segmentation"]["counts"] = counts
    write(tmp_path, content)
    with pytest.raises(UserError, match=message):
        opened(tmp_path)[1]


def test_runs_of_another_size(tmp_path: Path) -> None:
    content = instances()
    content["annotations"][0]["segmentation"]["size"] = [8, 6]
    write(tmp_path, content)
    with pytest.raises(UserError, match=r"has the size \[8, 6\], but the image is \[6, 8\]"):
        opened(tmp_path)[1]


def test_the_digest_changes_with_a_region(tmp_path: Path) -> None:
    content = instances()
    write(tmp_path, content)
    before = opened(tmp_path).digest()
    other = copy.deepcopy(content)
    other["annotations"][1]["segmentation"][0][0] = 2
    (tmp_path / "instances.json").write_text(json.dumps(other))
    assert opened(tmp_path).digest() != before
