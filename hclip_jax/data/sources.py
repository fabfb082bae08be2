"""What a data set is to the rest of the code: class names, and labelled pictures by index."""

from pathlib import Path
from typing import Protocol, TypedDict

import numpy as np

from hclip_jax.errors import UserError

IGNORE = -1
"""The label of pixels that belong to no class; files say 255 (8 bits) or 65535 (16 bits)."""


SCENES = "scenes"
"""The root that means the built-in pictures; a folder of that name is ./scenes."""


class Example(TypedDict):
    """One labelled picture.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        label: int32 [H, W], class ids, IGNORE where there is none.
        name: the stem of the picture's file, or a number where there is no file.
    """

    image: np.ndarray
    label: np.ndarray
    name: str


class Source(Protocol):
    """A split of a data set. Threads may read it at once; it pickles, so processes may too."""

    classes: tuple[str, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...


def open_source(root: str, split: str, classes: str = "", vocabulary: str = "") -> Source:
    """Opens the split of a labelled folder, of a prepared TFDS data set, or of the built-in scenes.

    Args:
        root: a labelled folder (`data/folder.py`), a directory prepared by TFDS
            (`data/tfds_source.py`), or "scenes", the built-in ones (`data/scenes/`).
        split: for example "train" or "val".
        classes: path of a class list that replaces the data set's own; not for the scenes.
        vocabulary: which names the built-in scenes use; for them only.

    Raises:
        UserError: an argument that this kind of source cannot use, or a root it cannot read.
    """
    # Imported here because each of them imports Example from this file.
    from hclip_jax.data.folder import FolderSource
    from hclip_jax.data.scenes.source import ScenesSource
    from hclip_jax.data.tfds import TfdsSource, is_prepared

    if not root:
        raise UserError(
            f"config.data.root is empty: give a labelled folder or a prepared TFDS directory, or "
            f"{SCENES!r} for the built-in pictures"
        )
    if root == SCENES:
        if classes:
            raise UserError(
                f"the class list {classes} cannot name the built-in scenes: choose a vocabulary "
                "instead, or give the root of your data"
            )
        return ScenesSource(split, vocabulary) if vocabulary else ScenesSource(split)
    if vocabulary:
        raise UserError(
            f"the vocabulary {vocabulary!r} belongs to the built-in scenes, but the data root is "
            f"{root}: leave the vocabulary empty and give a class list instead"
        )
    if is_prepared(Path(root)):
        return TfdsSource(root, split, classes)
    return FolderSource(root, split, classes)
