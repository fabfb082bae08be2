import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.check.folder import check_folder
from hclip_jax.data.layout import Layout
from hclip_jax.errors import UserError
from hclip_jax.tools.check_data import main
from tests.data.coco_set import instances, panoptic, write

JSON = Layout("images", "instances.json")


def grown(root: Path) -> None:
    """Labels the second image too, so that nothing is left to say of it."""
    content = instances()
    content["annotations"] += [{**found, "image_id": 3} for found in content["annotations"]]
    write(root, content)


def messages(root: Path, layout: Layout, classes_file: str = "") -> list[str]:
    return [
        f"{issue.level}: {', '.join(issue.items)}: {issue.message}"
        for issue in check_folder(root, classes_file, layout=layout).issues
        if "under 32 pixels" not in issue.message
    ]


def test_coco(tmp_path: Path) -> None:
    write(tmp_path, instances())
    report = check_folder(tmp_path, layout=JSON)
    assert [(one.name, one.pixels) for one in report.classes] == [("cat", 6), ("sky", 14), ("grass", 28)]
    assert messages(tmp_path, JSON) == ["warning: images/a.png: labels without a single labelled pixel"]
    grown(tmp_path)
    assert not messages(tmp_path, JSON)


def test_coco_with_issues(tmp_path: Path) -> None:
    grown(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    content["annotations"][0]["segmentation"]["counts"] = "1"
    (tmp_path / "instances.json").write_text(json.dumps(content))
    Image.new("RGB", (6, 8)).save(tmp_path / "images/a.png")
    Image.new("RGB", (6, 8)).save(tmp_path / "images/c.png")
    found = messages(tmp_path, JSON)
    assert any("b.png" in line and "is broken (its runs" in line for line in found)
    assert any("a.png (8x6, not 6x8): labels and (upright) images that differ" in line for line in found)
    assert any("images/c.png: images that the JSON of the labels does not name" in line for line in found)


def test_an_empty_image_of_coco_is_named_once(tmp_path: Path) -> None:
    grown(tmp_path)
    (tmp_path / "images/a.png").write_bytes(b"")
    assert messages(tmp_path, JSON) == ["error: images/a.png: empty files (0 bytes)"]


def test_names_need_no_advice_on_ids(tmp_path: Path) -> None:
    content = instances()
    content["annotations"] = [found for found in content["annotations"] if found["category_id"] == 90]
    write(tmp_path, content)
    issues = check_folder(tmp_path, layout=JSON).issues
    assert "show the same class at every labelled pixel" in issues[0].message
    (unused,) = (issue for issue in issues if issue.message == "classes that no label shows")
    assert unused.fix == "nothing if this is intended"
    assert not any("255 in" in issue.fix or "subtract" in issue.fix for issue in issues)


def test_splits_with_other_categories(tmp_path: Path) -> None:
    content = instances()
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        write(tmp_path / split, content, "labels.json")
        content["categories"].reverse()
    layout = Layout("{split}/images", "{split}/labels.json")
    assert "error: val: splits with other class names than train, whose ids mean other classes" in messages(
        tmp_path, layout
    )


def test_panoptic(tmp_path: Path) -> None:
    write(tmp_path, panoptic(tmp_path), "panoptic.json")
    report = check_folder(tmp_path, layout=Layout("images", "panoptic.json"))
    assert [one.pixels for one in report.classes] == [6, 14, 27]


def test_the_command_on_colours_in_nested_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    colours = np.array([[250, 0, 0], [0, 250, 0]], np.uint8)
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind, pixels in (("i", rng.integers(0, 256, (40, 40, 3))), ("m", colours[np.eye(40, dtype=int)])):
            (tmp_path / kind / split / "city").mkdir(parents=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / kind / split / "city/x.png")
    (tmp_path / "map.txt").write_text("car:250,0,0::\nsky:0,250,0::")
    arguments = [
        *(str(tmp_path), f"--output={tmp_path / 'out'}", f"--colour_map={tmp_path / 'map.txt'}"),
        *("--images=i/{split}/*/*.png", "--labels=m/{split}/*/*.png"),
    ]
    assert main(arguments) == 0
    assert "0 errors" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out/previews").iterdir()) == ["train", "val"]
    (tmp_path / "map.txt").write_text("car:250,0,1::\nsky:0,250,0::")
    assert main(arguments[:1] + arguments[2:]) == 1
    assert "of the colour (250, 0, 0)" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(UserError, match="--images is 'a', but --labels is empty"):
        main([str(tmp_path), "--images=a"])
