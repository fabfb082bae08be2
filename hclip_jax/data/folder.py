"""A labelled folder as a data set.

ROOT/classes.txt             one class a line
ROOT/images/SPLIT/NAME.jpg   or .png, .webp, ...
ROOT/labels/SPLIT/NAME.png   class ids, 255 = ignore
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hclip_jax.data.image_io import IMAGE_SUFFIXES, read_image, read_image_size, read_label, read_label_size
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError
from hclip_jax.text.class_names import read_class_names


class FolderSource:
    """The pictures of one split, in the order of their stems.

    The sizes and modes of all files are checked at once, from their headers, so that a bad pair is
    found before training starts; class ids are checked when a label is read. Hidden files, files
    that are no pictures and labels without a picture are skipped.
    """

    def __init__(self, root: str | Path, split: str, classes_file: str = "") -> None:
        """Lists and checks the split.

        Args:
            root: the labelled folder.
            split: a folder under `images` and `labels`.
            classes_file: a class list to use instead of ROOT/classes.txt.

        Raises:
            UserError: a folder or file is missing, unreadable or does not fit its partner.
        """
        root = Path(root)
        pictures = _by_stem(_split_folder(root, "images", split), IMAGE_SUFFIXES, "pictures")
        labels = _by_stem(_split_folder(root, "labels", split), frozenset((".png",)), "labels")
        if not classes_file and not (root / "classes.txt").exists():
            raise UserError(
                f"{root} has no classes.txt: write one class name a line, line n (from 0) for class id n"
            )
        self.class_names = read_class_names(classes_file or root / "classes.txt")
        if missing := sorted(pictures.keys() - labels.keys()):
            raise UserError(
                f"no label for {_some(pictures[stem].name for stem in missing)} in "
                f"{root / 'images' / split}: add a PNG of the same name to "
                f"{root / 'labels' / split} or remove the picture"
            )
        self._pairs = [(pictures[stem], labels[stem]) for stem in sorted(pictures)]
        with ThreadPoolExecutor(16) as pool:  # reading headers waits for the disk, not for the CPU
            mismatches = [found for found in pool.map(_size_mismatch, self._pairs) if found]
        if mismatches:
            raise UserError(
                f"labels in {root / 'labels' / split} and their (upright) pictures differ in size: "
                f"{_some(mismatches)}: make each label as large as its picture"
            )

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Example:
        picture, label = self._pairs[index]
        return {
            "image": read_image(picture),
            "label": read_label(label, len(self.class_names)),
            "name": picture.stem,
        }


def _split_folder(root: Path, kind: str, split: str) -> Path:
    """Finds ROOT/KIND/SPLIT."""
    if not root.is_dir():
        raise UserError(f"the data root {root} is no folder: check the path")
    if not (root / kind).is_dir():
        raise UserError(
            f"{root} has no folder {kind}: a labelled folder is images/SPLIT/*, "
            "labels/SPLIT/*.png and classes.txt (a directory prepared by TFDS holds "
            "dataset_info.json)"
        )
    folder = root / kind / split
    if not split or not folder.is_dir():
        splits = sorted(child.name for child in (root / kind).iterdir() if child.is_dir())
        raise UserError(
            f"{root / kind} has no split {split!r}: it has {', '.join(splits) or 'no folders at all'}"
        )
    return folder


def _by_stem(folder: Path, suffixes: frozenset[str], kind: str) -> dict[str, Path]:
    """Maps the stem of every file with one of the suffixes to its path."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in suffixes or not path.is_file():
            continue
        if path.stem in files:
            raise UserError(
                f"{files[path.stem].name} and {path.name} in {folder} share the name {path.stem}, "
                "which must be unique to pair pictures with labels: rename or remove one"
            )
        files[path.stem] = path
    if not files:
        raise UserError(f"{folder} holds no {kind}: add files ending in {', '.join(sorted(suffixes))}")
    return files


def _size_mismatch(pair: tuple[Path, Path]) -> str:
    """Describes how the sizes of a picture and its label differ; empty if they are equal."""
    picture, label = map(_by_width, (read_image_size(pair[0]), read_label_size(pair[1])))
    return "" if picture == label else f"{pair[1].name} is {label} and its picture {picture}"


def _by_width(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _some(items: Iterable[str]) -> str:
    """Joins up to three items and counts all of them, if there are more."""
    items = list(items)
    shown = ", ".join(items[:3])
    return shown if len(items) <= 3 else f"{shown}, ... ({len(items)} in all)"
