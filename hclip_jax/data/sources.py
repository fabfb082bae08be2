"""Opens a data set by its root: a labelled folder, a TFDS directory, or the built-in scenes."""

from collections.abc import Sequence

from hclip_jax.data.data_folder import resolve_root
from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import FOLDER, Layout
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.data.tfds import TfdsSource, prepared_folder
from hclip_jax.data.types import Source
from hclip_jax.errors import UserError
from hclip_jax.io.paths import is_address

SCENES = "scenes"
"""The root of the built-in scenes; a folder of that name is ./scenes."""


def open_source(
    root: str,
    split: str,
    classes_file: str = "",
    label_set: str = "",
    ignore: Sequence[int] = (),
    layout: Layout = FOLDER,
) -> Source:
    """Opens a split of a labelled folder, of a prepared TFDS data set, or of the built-in scenes.

    Args:
        root: a labelled folder (`data/scan.py`), a directory prepared by TFDS (`data/tfds.py`) or its
            address (gs://BUCKET/FOLDER), `tfds:NAME` in the folder of `data/data_folder.py`, or "scenes", the
            built-in scenes (`data/scenes/`).
        split: for example "train" or "val".
        classes_file: path of a class list that replaces the data set's class names; not for the scenes.
        label_set: class names of the built-in scenes; only for them.
        ignore: ids that mean "no label"; only for a labelled folder.
        layout: where images and labels lie below the root, and in which form; only for a folder.

    Raises:
        UserError: an argument does not apply to this kind of data set, or the data set cannot be opened.
    """
    if not root:
        raise UserError(
            f"config.data.root is empty: give a labelled folder, a prepared TFDS directory or tfds:NAME, "
            f"or {SCENES!r} for the built-in scenes"
        )
    if any(layout) and (root == SCENES or prepared_folder(resolve_root(root))):
        raise UserError(
            f"config.data has {_fields(layout)}, but the data root is {root}: they are for a folder; leave "
            "them empty, or give the root of your data"
        )
    layout.check()
    if ignore and (root == SCENES or prepared_folder(resolve_root(root))):
        raise UserError(
            f"config.data.ignore is {tuple(ignore)}, but the data root is {root}: it is for a labelled "
            "folder; leave it empty, since scenes and prepared sets have no such ids"
        )
    if root == SCENES:
        if classes_file:
            raise UserError(
                f"the class list {classes_file} does not apply to the built-in scenes: choose a label_set "
                "instead, or give the root of your data"
            )
        return ScenesSource(split, label_set) if label_set else ScenesSource(split)
    if label_set:
        raise UserError(
            f"the label_set {label_set!r} belongs to the built-in scenes, but the data root is {root}: leave "
            "label_set empty and give a class list instead"
        )
    root = resolve_root(root)
    if prepared_folder(root):
        return TfdsSource(root, split, classes_file)
    if is_address(root):
        raise UserError(
            f"{root} holds no data set prepared by TFDS, and no other kind is read over a network: give the "
            "folder with dataset_info.json, or the one above its version"
        )
    return FolderSource(root, split, classes_file, ignore, layout)


def _fields(layout: Layout) -> str:
    return ", ".join(f"{field}={value!r}" for field, value in layout._asdict().items() if value)
