"""How the label of an image is read: from a PNG of class ids, or of colours."""

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from hclip_jax.data.colour_map import ColourMap, read_coloured_label
from hclip_jax.data.label_io import read_label_header, read_label_size, read_raw_label
from hclip_jax.data.scan import FilePair
from hclip_jax.errors import UserError
from hclip_jax.images.image_io import read_header, read_image_size


class Labels(Protocol):
    """Reads the labels of a data set; can be pickled for worker processes.

    Attributes:
        class_names: by id; empty if a class list has them.
        fingerprint: text that changes with what the files of images and labels do not show; may be empty.
        has_files: whether each image has a label file, a PNG.
    """

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def has_files(self) -> bool: ...

    def read(self, pair: FilePair) -> np.ndarray:
        """Reads the stored ids [H, W] of an upright label, see `label_io.ignore_value`.

        Raises:
            UserError: the label cannot be read.
        """
        ...

    def size(self, pair: FilePair, exact: bool = False) -> tuple[int, int]:
        """The (height, width) of the upright label, by its header.

        Args:
            pair: the image and its label.
            exact: whether to decode a PNG whose header has no EXIF data, see `image_io.read_image_size`.

        Raises:
            UserError: the label cannot be read.
        """
        ...


class PngLabels(NamedTuple):
    """A PNG for each image: of class ids, or with a colour map, of colours."""

    colours: ColourMap | None = None
    class_names: tuple[str, ...] = ()
    fingerprint: str = ""
    has_files: bool = True

    def read(self, pair: FilePair) -> np.ndarray:
        """See `Labels`."""
        path = label_path(pair)
        return read_coloured_label(path, self.colours) if self.colours else read_raw_label(path)

    def size(self, pair: FilePair, exact: bool = False) -> tuple[int, int]:
        """See `Labels`."""
        path = label_path(pair)
        if not self.colours:
            return read_label_size(path) if exact else read_label_header(path).upright_size
        return read_image_size(path) if exact else read_header(path).upright_size


def label_path(pair: FilePair) -> Path:
    """The label of a pair.

    Raises:
        UserError: it has none.
    """
    if pair.label is None:
        raise UserError(f"{pair.image} has no label: add one")
    return pair.label
