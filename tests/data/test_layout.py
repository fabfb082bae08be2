from pathlib import Path

import pytest

from hclip_jax.data.layout import FOLDER, Layout
from hclip_jax.errors import UserError


def test_the_split_takes_its_place() -> None:
    layout = Layout("{split}/*.jpg", "{split}2017.json").of_split("val")
    assert layout == ("val/*.jpg", "val2017.json", "")
    assert layout.is_coco
    assert not FOLDER.is_coco


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(images="a/*.jpg"), r"config\.data\.images is 'a/\*\.jpg', but config\.data\.labels is empty"),
        (Layout(labels="a.json"), r"but config\.data\.images is empty: give both, such as images='\.'"),
        (Layout(".", "a.JSON", "voc"), "which has no colours: leave colour_map empty"),
        (Layout("gs://b/*", "*"), "must be a path of this machine"),
    ],
)
def test_fields_that_contradict_each_other(layout: Layout, message: str) -> None:
    with pytest.raises(UserError, match=message):
        layout.check()


def test_splits_are_found_in_the_files(tmp_path: Path) -> None:
    for name in ("gt/val/a", "gt/train/b", "gt/.hidden/c", "annotations"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "annotations/stuff_val2017.json").touch()
    (tmp_path / "gt/README.md").touch()
    assert Layout("im/{split}/*/*.jpg", "gt/{split}/*/*.png").splits(tmp_path) == ["train", "val"]
    assert Layout("{split}", "annotations/stuff_{split}2017.json").splits(tmp_path) == ["val"]
    assert Layout(".", "all.json").splits(tmp_path) == ["train"]
    with pytest.raises(UserError, match=r"has the form masks/\{split\}"):
        Layout("{split}", "masks/{split}/*.png").splits(tmp_path)
