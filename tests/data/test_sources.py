from pathlib import Path

import pytest

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError


def test_scenes() -> None:
    source = open_source("scenes", "val", label_set="shapes")
    assert isinstance(source, ScenesSource)
    assert source.class_names == ScenesSource("val", "shapes").class_names
    assert open_source("scenes", "val").class_names == ScenesSource("val").class_names


def test_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("a\nb\nc")
    source = open_source(str(folder), "train", classes_file=str(tmp_path / "other.txt"))
    assert isinstance(source, FolderSource)
    assert source.class_names == ("a", "b", "c")


def test_arguments_that_do_not_apply(folder: Path) -> None:
    with pytest.raises(UserError, match="label_set 'all' belongs to the built-in scenes"):
        open_source(str(folder), "train", label_set="all")
    with pytest.raises(UserError, match=r"class list names\.txt does not apply to the built-in scenes"):
        open_source("scenes", "train", classes_file="names.txt")


def test_empty_root() -> None:
    with pytest.raises(UserError, match=r"data\.root is empty.*or 'scenes'"):
        open_source("", "train")


def test_ids_to_ignore_are_for_folders(folder: Path) -> None:
    assert (open_source(str(folder), "train", ignore=(2,))[0]["label"] != 2).all()
    with pytest.raises(UserError, match=r"config.data.ignore is \(2,\), but the data root is scenes"):
        open_source("scenes", "train", ignore=(2,))
