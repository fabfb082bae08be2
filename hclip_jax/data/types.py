"""What a data set is to the rest of the code: class names, and labelled images by index."""

from typing import Protocol, TypedDict

import numpy as np

IGNORE = -1
"""The label of pixels that belong to no class; files store 255 (8 bits) or 65535 (16 bits)."""


class Example(TypedDict):
    """One labelled image.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        label: int32 [H, W], class ids, IGNORE where there is none.
        name: the stem of the image file, or a number where there is no file.
    """

    image: np.ndarray
    label: np.ndarray
    name: str


class Source(Protocol):
    """A split of a data set. Threads may read it concurrently; it pickles, so processes may too."""

    class_names: tuple[str, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...
