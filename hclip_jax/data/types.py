"""The interface of a data set: class names, and labelled images by index."""

from typing import Protocol, TypedDict, runtime_checkable

import numpy as np
from PIL import Image

IGNORE = -1
"""The label of pixels that belong to no class; files store 255 (8 bits) or 65535 (16 bits)."""


class Example(TypedDict):
    """One labelled image.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        label: int32 [H, W], class ids, IGNORE for unlabelled pixels.
        name: the stem of the image file, or a number where there is no file.
    """

    image: np.ndarray
    label: np.ndarray
    name: str


class DecodedExample(TypedDict):
    """As `Example`, in the form that is cheapest to resize and crop.

    Attributes:
        image: Pillow's, of mode RGB.
        label: with up to 255 classes uint8 [H, W], 255 for unlabelled pixels; else as in `Example`.
    """

    image: Image.Image
    label: np.ndarray


class Source(Protocol):
    """A split of a data set. Threads may index it concurrently; it can be pickled for worker processes."""

    class_names: tuple[str, ...]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...

    def digest(self) -> str:
        """Text that changes with an image that is added, removed or edited; cheap to compute."""
        ...


@runtime_checkable
class DecodingSource(Source, Protocol):
    """A source whose images are decoded by Pillow. Training takes them without a copy to NumPy and back."""

    def decoded(self, index: int) -> DecodedExample:
        """The example `index` with the image as Pillow decodes it, the label in one byte if it fits."""
        ...
