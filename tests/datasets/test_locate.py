from pathlib import Path

from hclip_jax.datasets.dataset import Files
from hclip_jax.datasets.locate import find_files, pair, pair_by_stem


def test_incomplete_pairs_are_named_by_the_file_that_is_missing() -> None:
    images, labels = {"a": Path("a.jpg"), "b": Path("b.jpg")}, {"a": Path("a.png"), "c": Path("c.png")}
    listing = pair(["a", "b", "c", "d"], images, labels, ".png")
    assert listing.files == [Files("a", Path("a.jpg"), Path("a.png"))]
    assert listing.missing == ["b.png", "c.jpg", "d"]


def test_linked_folders_are_visited_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/image_1.JPG").touch()
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "other_1.jpg").touch()
    assert [path.name for path in find_files(tmp_path, "image_", ".jpg")] == ["image_1.JPG"]


def test_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.JPG", ".c.jpg", "d.txt", "a.png", "b.png", "._b.png"):
        (tmp_path / name).touch()
    listing = pair_by_stem(tmp_path, tmp_path)
    assert [files.name for files in listing.files] == ["a", "b"]
    assert not listing.missing
