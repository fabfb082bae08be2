"""The one listing of the image files of a folder: for data sets, `hclip check` and `hclip segment`."""

import enum
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hclip_jax.data.spread import spread
from hclip_jax.errors import UserError, some

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_FOREIGN_SUFFIXES = frozenset(
    (
        ".arw",
        ".avif",
        ".cr2",
        ".dng",
        ".exr",
        ".heic",
        ".heif",
        ".jp2",
        ".jxl",
        ".nef",
        ".psd",
        ".svg",
        ".tga",
    )
)
_MAX_FOLDERS = 1000  # folders below a folder that are searched for images


class LeftOut(enum.Enum):
    """Why an entry of a folder is not listed; the value describes several of them."""

    DEAD_LINK = "dead links"
    UNREADABLE = "images that you have no permission to read"
    FOREIGN = "images of other formats"
    DEEPER = "folders with images"
    OTHER = "other files"  # hidden, no image by its suffix, or no file


class Listing(NamedTuple):
    """The image files of a folder in the order of their names, and every other entry."""

    images: list[Path]
    left_out: dict[Path, LeftOut]

    def of(self, reason: LeftOut) -> list[Path]:
        """The entries that are left out for a reason, in order."""
        return [path for path, found in self.left_out.items() if found is reason]

    def lost(self) -> list[Path]:
        """The images of this folder that cannot be read."""
        return [*self.of(LeftOut.DEAD_LINK), *self.of(LeftOut.UNREADABLE)]

    def summary(self, without: Path) -> str:
        """Describes what was perhaps meant to be used: "dead links (a.jpg), folders with images (b)".

        Args:
            without: a path that is not mentioned, such as the folder for results.
        """
        found = []
        for reason in LeftOut:
            paths = [path for path in self.of(reason) if not _is_same(path, without)]
            if paths and reason is not LeftOut.OTHER:
                found.append(f"{reason.value} ({describe(paths)})")
        return ", ".join(found)


def list_images(folder: Path, sampled: bool = False, suffixes: Collection[str] = IMAGE_SUFFIXES) -> Listing:
    """Lists a folder, not what is below it. Files are recognised by their suffix and not opened.

    Args:
        folder: the folder.
        sampled: whether to ask for the permissions of only some of many files (`spread`), since each is a
            request to a network disk; links are all followed.
        suffixes: of other files to list in place of images.

    Raises:
        UserError: the folder cannot be listed.
    """
    listing = Listing([], {})
    with _one_sentence(folder), os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name)
    asked = set(spread(len(entries)) if sampled else range(len(entries)))
    with ThreadPoolExecutor(16) as pool:  # threads: the disk limits this, not the CPU
        reasons = {
            index: pool.submit(_reason, folder / entry.name, suffixes)
            for index, entry in enumerate(entries)
            if index in asked or not _is_plain_image(entry, suffixes)
        }
    for index, entry in enumerate(entries):
        path = folder / entry.name
        if index in reasons and (reason := reasons[index].result()):
            listing.left_out[path] = reason
        else:
            listing.images.append(path)
    return listing


def list_entries(folder: Path) -> list[Path]:
    """Everything that is in a folder, in the order of the names.

    Raises:
        UserError: the folder cannot be listed.
    """
    with _one_sentence(folder):
        return sorted(folder.iterdir())


@contextmanager
def _one_sentence(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the folder {folder} cannot be listed ({error.strerror}): give a folder that you may read"
        ) from error


def describe(paths: Iterable[Path]) -> str:
    """Joins the names of up to three entries; links with their targets: "a.jpg -> /old/a.jpg"."""
    return some(f"{path.name} -> {os.readlink(path)}" if path.is_symlink() else path.name for path in paths)


def dead_link(path: Path) -> str:
    """Describes a link that leads nowhere, in brackets after a blank; empty for any other path."""
    if not path.is_symlink() or path.exists():
        return ""
    return f" (the link {path.name} leads to {os.readlink(path)}, where nothing is)"


def _is_same(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(
        second
    )  # `Path.resolve` fails where links form a circle


def _is_plain_image(entry: os.DirEntry[str], suffixes: Collection[str]) -> bool:
    """Whether the listing alone shows a file with the suffix of an image, and no link."""
    is_image = Path(entry.name).suffix.lower() in suffixes and not entry.name.startswith(".")
    return is_image and entry.is_file(follow_symlinks=False)


def _reason(path: Path, suffixes: Collection[str]) -> LeftOut | None:
    if path.name.startswith("."):  # macOS adds ._NAME.jpg
        return LeftOut.OTHER
    suffix = path.suffix.lower()
    is_image = suffix in suffixes
    try:
        mode = path.stat().st_mode
    except PermissionError:
        return LeftOut.UNREADABLE if is_image else LeftOut.OTHER
    except OSError:  # nothing is there, or links lead in a circle
        return LeftOut.DEAD_LINK if is_image else LeftOut.OTHER
    if stat.S_ISDIR(mode):
        return LeftOut.DEEPER if _holds_images(path) else LeftOut.OTHER
    if suffix in _FOREIGN_SUFFIXES:
        return LeftOut.FOREIGN
    if not is_image or not stat.S_ISREG(mode):
        return LeftOut.OTHER
    return None if os.access(path, os.R_OK) else LeftOut.UNREADABLE


def _holds_images(folder: Path) -> bool:
    """Whether one of the first 1,000 folders from `folder` on holds a file with the suffix of an image."""
    for index, (_, folders, files) in enumerate(os.walk(folder)):
        if any(Path(name).suffix.lower() in IMAGE_SUFFIXES and name[0] != "." for name in files):
            return True
        if index == _MAX_FOLDERS:
            break
        folders[:] = [name for name in folders if not name.startswith(".")]
    return False
