import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import Layout
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError

CITYSCAPES = Layout("leftImg8bit/{split}/*/*_leftImg8bit.png", "gtFine/{split}/*/*_gtFine_labelTrainIds.png")


def save(path: Path, value: int, mode: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 6), (value,) * 3 if mode == "RGB" else value).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "classes.txt").write_text("road\nsky\ncar")
    for split, city, name, t in (
        ("train", "ulm", "ulm_0", 0),
        ("train", "bonn", "b_0", 1),
        ("val", "x", "b_0", 2),
    ):
        save(tmp_path / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", 10 * t, "RGB")
        save(tmp_path / f"gtFine/{split}/{city}/{name}_gtFine_labelTrainIds.png", t, "L")
        save(tmp_path / f"gtFine/{split}/{city}/{name}_gtFine_color.png", 99, "RGB")
    return tmp_path


def test_pairs_of_nested_folders(root: Path) -> None:
    source = open_source(str(root), "train", layout=CITYSCAPES)
    assert source.class_names == ("road", "sky", "car")
    found = [(e["name"], e["image"].max(), e["label"].max()) for e in map(source.__getitem__, range(2))]
    assert found == [("b_0_leftImg8bit", 10, 1), ("ulm_0_leftImg8bit", 0, 0)]
    assert (open_source(str(root), "val", layout=CITYSCAPES)[0]["label"] == 2).all()


def test_the_same_name_in_two_folders(root: Path) -> None:
    save(root / "leftImg8bit/train/ulm/b_0_leftImg8bit.png", 20, "RGB")
    save(root / "gtFine/train/ulm/b_0_gtFine_labelTrainIds.png", 2, "L")
    source = FolderSource(root, "train", layout=CITYSCAPES)
    names = [source[index]["name"] for index in range(3)]
    assert names == ["bonn-b_0_leftImg8bit", "ulm-b_0_leftImg8bit", "ulm-ulm_0_leftImg8bit"]
    assert [source[index]["label"].max() for index in range(3)] == [1, 2, 0]


def test_accents_in_two_forms(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("a\nb")
    save(tmp_path / f"i/{unicodedata.normalize('NFC', 'é')}.png", 9, "RGB")
    save(tmp_path / f"m/{unicodedata.normalize('NFD', 'é')}_m.png", 1, "L")
    layout = Layout("i/*.png", "m/*_m.png")
    assert len(FolderSource(tmp_path, "train", layout=layout)) == 1
    save(tmp_path / f"m/{unicodedata.normalize('NFC', 'é')}_m.png", 0, "L")
    with pytest.raises(UserError, match="share the name"):
        FolderSource(tmp_path, "train", layout=layout)


def test_what_has_no_other_half_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(root / "gtFine/train/ulm/more_gtFine_labelTrainIds.png", 2, "L")
    FolderSource(root, "train", layout=CITYSCAPES)
    assert "labels without an image: more_gtFine_labelTrainIds.png" in capsys.readouterr().out
    save(root / "leftImg8bit/train/ulm/less_leftImg8bit.png", 20, "RGB")
    message = r"no label for less_leftImg8bit\.png .*: add a PNG that gtFine/train/\*/\*_gtFine.* matches"
    with pytest.raises(UserError, match=message):
        FolderSource(root, "train", layout=CITYSCAPES)


def test_labels_of_another_format_are_not_used(root: Path) -> None:
    layout = CITYSCAPES._replace(labels="gtFine/{split}/*/*_gtFine_labelTrainIds.*")
    layout = layout._replace(images="leftImg8bit/{split}/*/*_leftImg8bit.*")
    FolderSource(root, "train", layout=layout)
    label = root / "gtFine/train/bonn/b_0_gtFine_labelTrainIds.png"
    image = root / "leftImg8bit/train/bonn/b_0_leftImg8bit.png"
    Image.open(label).save(label.with_suffix(".jpg"))
    Image.open(image).save(image.with_suffix(".jpg"))
    for path in (label, image):
        path.unlink()
    with pytest.raises(UserError, match=r"no label for b_0_leftImg8bit\.jpg .*add a PNG"):
        FolderSource(root, "train", layout=layout)


def test_a_dead_link_is_refused(root: Path) -> None:
    path = root / "leftImg8bit/train/ulm/gone_leftImg8bit.png"
    path.symlink_to("/gone")
    save(root / "gtFine/train/ulm/gone_gtFine_labelTrainIds.png", 2, "L")
    with pytest.raises(UserError, match=r"lead to no file: gone_leftImg8bit"):
        FolderSource(root, "train", layout=CITYSCAPES)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ("leftImg8bit/train/*.png", "gtFine/train/*/*.png", r"has 1 \* and that of the labels .* has 2"),
        ("leftImg8bit/train/x.png", "gtFine/train/x.png", r"has 0 \*"),
        ("leftImg8bit/test/*/*.png", "gtFine/train/*/*.png", r"leftImg8bit/test does not exist"),
        ("leftImg8bit/train/*/*.jpg", "gtFine/train/*/*.png", r"no image in .* matches"),
        ("leftImg8bit/train/z*/*.png", "gtFine/train/*/*.png", r"no folder in .* matches"),
        ("leftImg8bit/**/a.png", "gtFine/**/a.png", r"no \.\. and no \*\*"),
    ],
)
def test_patterns_that_match_nothing(root: Path, images: str, labels: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        FolderSource(root, "train", layout=Layout(images, labels))


def test_a_layout_is_for_folders() -> None:
    with pytest.raises(UserError, match=r"config\.data has images='a/\*', labels='b/\*', but the data"):
        open_source("scenes", "train", layout=Layout("a/*", "b/*"))


def test_ids_are_checked(root: Path) -> None:
    save(root / "gtFine/train/bonn/b_0_gtFine_labelTrainIds.png", 7, "L")
    source = FolderSource(root, "train", layout=CITYSCAPES)
    with pytest.raises(UserError, match="holds the class id 7"):
        source[0]
    ignoring = FolderSource(root, "train", ignore=(7,), layout=CITYSCAPES)
    np.testing.assert_array_equal(ignoring[0]["label"], -np.ones((6, 8)))
