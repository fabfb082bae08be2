"""PyTorch's zip files (torch.save since 1.6, torch.jit.save) read without PyTorch and as data only."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hclip_jax.errors import UserError, shown
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.objects import TorchObjects
from hclip_jax.weights.torch_zip.pickle_vm import Refused, run_pickle

_LONGEST_PICKLE = 64 * 2**20  # bytes; that of a thousand tensors with their optimizer takes 0.5 MB
_MOST_NAMES = 100_000
_MOST_LEVELS = 64
_LONGEST_NAME = 1000

# What zipfile and pickletools raise on bytes that are not as they should be.
_BROKEN = (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, LookupError)


class TorchFile(NamedTuple):
    """What a PyTorch file holds.

    Attributes:
        content: nested dicts (of str or int), lists, tuples, numbers, text, bytes, None and `LazyArray`;
            a TorchScript module is a dict of its attributes, its submodules among them.
        scripted: whether it is of TorchScript (torch.jit.save).
    """

    content: Any
    scripted: bool


def read_torch(path: Path) -> TorchFile:
    """Reads a PyTorch file but for the values of its tensors, which are read when asked for.

    The file stays open as long as one of its tensors is kept. No code of the file is ever run.

    Raises:
        UserError: the file is missing, of another kind, broken, or holds what is not data. Values that
            are broken raise it when they are read.
    """
    with _plainly(path):
        if not path.is_file():
            raise Refused("is not a file; give the path of a PyTorch file, .pt or .pth")
        _check_kind(path)
        archive = _Archive(path)
        objects = TorchObjects(archive.storage, archive.scripted)
        data = archive.read("data.pkl", _LONGEST_PICKLE)
        return TorchFile(run_pickle(data, objects.find, objects.storage), archive.scripted)


def tensors_by_name(content: Any) -> dict[str, LazyArray]:
    """All tensors of nested dicts by dotted name, "visual.conv1.weight".

    Integer keys and lists are not descended into: an optimizer's state is not weights.

    Raises:
        UserError: there are too many names or levels, or two tensors of one name.
    """
    tensors: dict[str, LazyArray] = {}
    seen = 0

    def walk(tree: dict, prefix: str, level: int) -> None:
        nonlocal seen
        for key, value in tree.items():
            seen += 1
            name = f"{prefix}{key}"
            if seen > _MOST_NAMES or level > _MOST_LEVELS or len(name) > _LONGEST_NAME:
                raise UserError(
                    f"the weights have more than {_MOST_NAMES} names, {_MOST_LEVELS} levels or "
                    f"{_LONGEST_NAME} characters in a name; give a file of one model's weights"
                )
            if not isinstance(key, str):
                continue
            if isinstance(value, LazyArray):
                if name in tensors:
                    raise UserError(f"the weights hold two tensors of the name {name}; rename one of them")
                tensors[name] = value
            elif isinstance(value, dict):
                walk(value, f"{name}.", level + 1)

    if isinstance(content, dict):
        walk(content, "", 1)
    return tensors


class _Archive:
    """The entries of PyTorch's zip file, all in one folder of any name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._zip = zipfile.ZipFile(path)
        names = self._zip.namelist()
        folders = [n.removesuffix("data.pkl") for n in names if n.count("/") == 1 and n.endswith("/data.pkl")]
        if len(folders) != 1:
            raise Refused("is a zip file, but not of PyTorch: it has no data.pkl; give a .pt or .pth file")
        self._folder = folders[0]
        self.scripted = f"{self._folder}constants.pkl" in names
        if f"{self._folder}byteorder" in names and self.read("byteorder", 16) != b"little":
            raise Refused("was not saved on a little-endian machine; load it in PyTorch and save it there")

    def read(self, name: str, most: int) -> bytes:
        """An entry of at most so many bytes, its checksum verified."""
        entry = self._find(name)
        if entry.file_size > most:
            raise Refused(f"has an entry {name} of {entry.file_size} bytes; at most {most} are read")
        return self._zip.read(entry)

    def storage(self, key: str, size: int) -> Callable[[], bytes]:
        """What reads a storage, which must have that many bytes."""
        entry = self._find(f"data/{key}")
        if entry.file_size != size:
            raise ValueError(f"its storage {shown(key)} has {entry.file_size} bytes, not {size}")
        return partial(self._load, entry)

    def _load(self, entry: zipfile.ZipInfo) -> bytes:
        with _plainly(self._path):
            return self._zip.read(entry)

    def _find(self, name: str) -> zipfile.ZipInfo:
        try:
            entry = self._zip.getinfo(f"{self._folder}{name}")
        except KeyError:
            raise ValueError(f"it has no entry {shown(name)}") from None
        if entry.compress_type != zipfile.ZIP_STORED:
            raise Refused(
                f"has a compressed entry {shown(name)}, as PyTorch never writes; unzip it and zip -0 it"
            )
        # zipfile would make room for whatever length the entry claims.
        if entry.file_size != entry.compress_size or entry.file_size > self._size:
            raise ValueError(f"its entry {shown(name)} is longer than the file")
        return entry


def _check_kind(path: Path) -> None:
    """Refuses what is mistaken for a PyTorch file, saying what it is."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        return
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"version https://git-lfs"):
        raise Refused("is a pointer of Git LFS, not the weights; run git lfs pull")
    if text.startswith(b"<"):
        raise Refused("is a web page, not weights; download the file itself")
    if head.startswith(b"\x80") or head[257:262] == b"ustar":
        raise Refused(
            "is not a zip file, as PyTorch saves since 1.6; load it there and save it again: "
            "torch.save(torch.load(...), ...)"
        )
    what = f"begins with {head[:8]!r}" if head else "is empty"
    raise Refused(f"{what}, so it is no PyTorch file; download it again, or give another")


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    """Turns whatever a file may cause into one sentence."""
    try:
        yield
    except UserError:
        raise
    except Refused as refused:
        raise UserError(f"{path} {refused}") from refused
    except OSError as error:  # also of a seek to where a broken file points
        reason = error.strerror or error
        raise UserError(
            f"{path} cannot be read ({reason}); see that it is whole and that you may read it"
        ) from error
    except _BROKEN as error:
        reason = shown(str(error) or "it ends too early")  # an EOFError has no text
        raise UserError(f"{path} is broken ({reason}); copy or download it again") from error
