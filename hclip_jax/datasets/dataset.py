"""Dataset: the description of a benchmark, and the types that its reader uses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hclip_jax.datasets.package_files import class_name_variants, class_names
from hclip_jax.datasets.published import published_rows
from hclip_jax.errors import UserError

if TYPE_CHECKING:
    from hclip_jax.datasets.summary import Summary


class Files(NamedTuple):
    """The files of one labelled image.

    Attributes:
        name: the stem of the image file.
        image: the image file.
        label: what the reader of the data set needs for the label: a path, or masks.
    """

    name: str
    image: Path
    label: Any


class Listing(NamedTuple):
    """The files of a split, ordered by name, and names of images that are incomplete or not there."""

    files: list[Files]
    missing: list[str]


class Example(NamedTuple):
    """One labelled image, prepared.

    Attributes:
        image: the bytes of an image file.
        label: class ids [H, W] of the data set's label dtype; its largest value is unlabelled.
        raw_ids: the distinct ids of the official label.
        remark: how the official files contradict each other without being wrong for certain, or "".
    """

    image: bytes
    label: np.ndarray
    raw_ids: np.ndarray
    remark: str = ""


class FileError(UserError):
    """An official file that is not as it must be: `item` names it and what was found, `reason` the rest.

    Refusals with the same reason are reported in one sentence.
    """

    def __init__(self, item: str, reason: str = "") -> None:
        """Makes the sentence "ITEM, REASON"."""
        super().__init__(f"{item}, {reason}" if reason else item)
        self.item, self.reason = item, reason

    def __reduce__(self) -> tuple[type["FileError"], tuple[str, str]]:
        """Pickles both parts: refusals come from worker processes."""
        return FileError, (self.item, self.reason)


@dataclass(frozen=True)
class Split:
    """An official split.

    Attributes:
        num_images: the number of labelled images.
        names_sha256: sha256 of the sorted names, each followed by a newline; "" where it is not known.
        optional: whether the data set counts as complete without this split.
    """

    num_images: int
    names_sha256: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Archive:
    """A file to download: its name, address, size in bytes (0 = unknown) and checksum ("" = unknown)."""

    name: str
    url: str
    num_bytes: int = 0
    checksum: str = ""


@dataclass(frozen=True)
class Dataset:
    """A benchmark.

    Attributes:
        key: its name in commands and file names.
        title: its name for people.
        splits: the official splits by our names, "train" and "val".
        label_dtype: uint8 or uint16.
        num_label_ids: class ids in labels are 0 to num_label_ids - 1.
        layout: the files that are looked for, in words.
        roots: folders below the source in which the layout may be; "." is the source.
        archives: what to download.
        registration: where to register before the download, or "".
        terms: the licence in one line.
        is_root: whether a folder holds the layout; raises UserError for a copy known to be wrong.
        list_split: the files of a split below a root; None if the split is not there.
        read: reads and checks one image; None if the published protocol leaves it out. Raises FileError.
        in_paper: whether the paper trains or evaluates on it.
        image_format: of the image files, "jpeg" or "png".
        fold_background: predicted class ids from this one on count as background; 0 = no folding.
        other_labels: other ways to list a split, by the name of labels that are there but are not the ones
            that published figures are measured on.
        search: another way to find roots below the source.
        probe: checks the first labels of a split before all are read; returns warnings.
        review: checks a split that has been read completely; returns warnings.
    """

    key: str
    title: str
    splits: dict[str, Split]
    label_dtype: type[np.unsignedinteger]
    num_label_ids: int
    layout: str
    roots: tuple[str, ...]
    archives: tuple[Archive, ...]
    terms: str
    is_root: Callable[[Path], bool]
    list_split: Callable[[Path, str], Listing | None]
    read: Callable[[Files], Example | None]
    registration: str = ""
    in_paper: bool = True
    image_format: str = "jpeg"
    fold_background: int = 0
    other_labels: dict[str, Callable[[Path, str], Listing | None]] = field(default_factory=dict)
    search: Callable[[Path], Path | None] = field(default=lambda source: None)
    probe: Callable[[Sequence[Files]], list[str]] = field(default=lambda files: [])
    review: Callable[[Path, str, "Summary"], list[str]] = field(default=lambda root, split, summary: [])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of the class ids; of PAS-20b, the names that models are asked for."""
        return class_names(self.key)

    @property
    def class_name_variants(self) -> tuple[str, ...]:
        """Names of other class lists for the same class ids: `class_names(key, variant)`."""
        return class_name_variants(self.key)

    @property
    def ignore(self) -> int:
        """The value of unlabelled pixels in prepared labels."""
        return int(np.iinfo(self.label_dtype).max)

    @property
    def figures(self) -> dict[str, float]:
        """Published mIoU in percent by method and backbone, such as "H-CLIP ViT-B/16".

        Without figures of the formula before July 2022, which `published_rows` has.
        """
        return {
            row.name: row.miou[self.key]
            for row in published_rows()
            if self.key in row.miou and row.formula != "before July 2022"
        }

    @property
    def how_to_get(self) -> str:
        """One clause that says what to download."""
        register = f"register at {self.registration}, then " if self.registration else ""
        archives = ", ".join(f"{archive.name} ({archive.url})" for archive in self.archives)
        return f"{register}download {archives} and unpack"
