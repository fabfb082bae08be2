import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.data.coco_file import read_coco
from hclip_jax.errors import UserError
from tests.data.coco_set import instances


def put(path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(instances())
    *parents, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    node: Any = content
    for key in parents:
        node = node[key]
    node[last] = value
    return content


def refusal(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError) as error:
        read_coco(path)
    return str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("images", None, "FILE is no JSON of COCO, since 'images' is no list of objects; give"),
        ("images", [], "FILE has no images; give"),
        ("images.0.id", None, "FILE: the image of id None has the id None, which must be a number or a text"),
        ("images.0.id", 3, "FILE has two images with the id 3, which must be unique"),
        ("images.0.file_name", "a.png", "FILE has two images with the file_name 'a.png'"),
        ("images.0.file_name", "./a.png", "FILE has two images with the file_name 'a.png'"),
        ("images.0.file_name", "", "which must be the name of an image file"),
        ("images.0.width", 8.5, "the image of id 5 has the width 8.5, which must be a number of pixels"),
        ("images.0.height", True, "which must be a number of pixels"),
        ("categories", [], "FILE has annotations of the categories 90, 7, 12, which are none of its"),
        ("categories.0.id", 7, "FILE has two categories with the id 7"),
        ("categories.0.id", 91, "FILE has annotations of the categories 90, which are none of"),
        ("categories.0.name", "sky", "are both 'sky'"),
        ("categories.0.name", 3, "the category of id 90 has the name 3, which must be a text"),
        ("annotations.0.image_id", 77, "the annotation of id 100 has the image_id 77, which must be the id"),
        ("annotations.0.category_id", [1], "which must be the id of one of the categories"),
        ("annotations.1.segmentation", [], "annotations without a segmentation, of which boxes alone are"),
        ("annotations.1.segmentation", [[1, 2, 3]], "which must be polygons of 3 or more points, or runs"),
        ("annotations.1.segmentation", [[1, 2, 3, None]], "which must be polygons"),
        ("annotations.1.segmentation", [1, 2, 3, 4, 5, 6], "which must be polygons"),
        ("annotations.1.segmentation", [[1, 2, 3, 4, 5, float("nan")]], "which must be polygons"),
        ("annotations.1.segmentation", "abc", "which must be polygons"),
        ("annotations.0.segmentation", {"size": [6, 8]}, "which must be polygons"),
        ("annotations.0.iscrowd", 2, "which must be 0 or 1"),
    ],
)
def test_each_mistake_is_one_sentence(tmp_path: Path, path: str, value: Any, message: str) -> None:
    assert message in refusal(tmp_path, put(path, value))


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "no object" in refusal(tmp_path, [])
    assert "cannot be read as JSON" in refusal(tmp_path, "{")
    assert "'images' is not there" in refusal(tmp_path, {"licenses": []})
    assert "pointer of Git LFS" in refusal(tmp_path, "version https://git-lfs")


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"file_name": 3, "segments_info": []}, "which must be the name of a PNG"),
        ({"file_name": "b.png", "segments_info": 3}, "which must be a list of segments"),
        ({"file_name": "b.png", "segments_info": [{"id": 0, "category_id": 7}]}, "a number from 1 to"),
        ({"file_name": "b.png", "segments_info": [{"id": 1, "category_id": 8}]}, "categories 8, which are"),
        (
            {"file_name": "b.png", "segments_info": [{"id": 1, "category_id": t} for t in (7, 90)]},
            "FILE: the segment of id 1 has the id 1, which must be that of one segment of its image alone",
        ),
    ],
)
def test_mistakes_of_panoptic_files(tmp_path: Path, annotation: dict[str, Any], message: str) -> None:
    assert message in refusal(tmp_path, put("annotations", [{"image_id": 5, **annotation}]))
    good = {"image_id": 5, "file_name": "b.png", "segments_info": []}
    assert "in one annotation alone" in refusal(tmp_path, put("annotations", [good, good]))
