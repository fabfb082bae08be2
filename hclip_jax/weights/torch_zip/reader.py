"""Reads PyTorch's zip files (torch.save since 1.6, torch.jit.save) without PyTorch, as data only."""

import os
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hclip_jax.errors import UserError, printable
from hclip_jax.io.substitutes import check_file
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.objects import TorchObjects
from hclip_jax.weights.torch_zip.pickle_vm import Opaque, Refused, run_pickle

_MAX_PICKLE_SIZE = 64 * 2**20  # bytes; a thousand tensors with their optimizer take 0.5 MB
_MAX_NAMES = 100_000
_MAX_LEVELS = 64
_MAX_NAME_LENGTH = 1000
_CHUNK = 2**20  # bytes
_LENGTHS = 26  # offset of the lengths of name and extra field, the end of an entry's header

# Exceptions of zipfile and pickletools on invalid bytes.
_BROKEN = (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, LookupError)


class TorchFile(NamedTuple):
    """Content of a PyTorch file.

    Attributes:
        content: nested dicts (keys are str or int), lists, tuples, numbers, text, bytes, None and
            `LazyArray`, and `Opaque` for an object of another class; a TorchScript module is a dict of its
            attributes, submodules included.
        is_torchscript: whether torch.jit.save wrote it.
    """

    content: Any
    is_torchscript: bool


def read_torch(path: Path) -> TorchFile:
    """Reads a PyTorch file; the values of its tensors are not loaded.

    The file stays open as long as one of its tensors exists. No code of the file is run.

    Raises:
        UserError: the file is missing, broken, of another format, or holds something that is not data.
            Loading a tensor raises it if the values are broken.
    """
    check_file(path, "give the path of a PyTorch file, .pt or .pth")
    with _one_sentence(path):
        _check_format(path)
        archive = _Archive(path)
        objects = TorchObjects(archive.open_storage, archive.is_torchscript, path.stat().st_size)
        data = archive.read("data.pkl", _MAX_PICKLE_SIZE)
        return TorchFile(run_pickle(data, objects.find, objects.storage), archive.is_torchscript)


def tensors_by_name(content: Any) -> dict[str, LazyArray]:
    """All tensors of nested dicts by dotted name, "visual.conv1.weight".

    Integer keys and lists are skipped, because they hold the state of an optimizer.

    Raises:
        UserError: there are too many names or levels, or two tensors have one name.
    """
    tensors: dict[str, LazyArray] = {}
    num_names = 0

    def walk(tree: dict, prefix: str, level: int) -> None:
        nonlocal num_names
        for key, value in tree.items():
            num_names += 1
            name = f"{prefix}{key}"
            if num_names > _MAX_NAMES or level > _MAX_LEVELS or len(name) > _MAX_NAME_LENGTH:
                raise UserError(
                    f"the weights have more than {_MAX_NAMES} names, {_MAX_LEVELS} levels or "
                    f"{_MAX_NAME_LENGTH} characters in a name; give the weights of one model"
                )
            if not isinstance(key, str):
                continue
            if isinstance(value, LazyArray):
                if name in tensors:
                    raise UserError(
                        f"the weights hold two tensors with the name {printable(name)}; rename one of them"
                    )
                tensors[name] = value
            elif isinstance(value, dict):
                walk(value, f"{name}.", level + 1)

    if isinstance(content, dict):
        walk(content, "", 1)
    return tensors


def opaque_names(content: Any) -> tuple[str, ...]:
    """The names of the `Opaque` objects in the content of a file, sorted."""
    names, seen, left = set(), set(), [content]
    while left:
        value = left.pop()
        if isinstance(value, Opaque):
            names.add(value.name)
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            left.extend(value.values() if isinstance(value, dict) else value)
    return tuple(sorted(names))


class _Archive:
    """The entries of PyTorch's zip file, which lie in one folder of any name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._zip = zipfile.ZipFile(path)
        self._verified: set[str] = set()  # names of entries whose checksum was compared
        names = self._zip.namelist()
        if len(names) != len(set(names)):
            double = next(name for name, count in Counter(names).items() if count > 1)
            raise Refused(
                f"has two entries with the name {printable(double)}, of which programs read different ones; "
                f"download it again"
            )
        folders = [n.removesuffix("data.pkl") for n in names if n.count("/") == 1 and n.endswith("/data.pkl")]
        if len(folders) != 1:
            raise Refused("is a zip file, but not PyTorch's: it has no data.pkl; give a .pt or .pth file")
        self._folder = folders[0]
        self.is_torchscript = f"{self._folder}constants.pkl" in names
        if f"{self._folder}byteorder" in names and self.read("byteorder", 16) != b"little":
            raise Refused("is not little-endian; load it in PyTorch and save it on a little-endian machine")

    def read(self, name: str, max_size: int) -> bytes:
        """Reads an entry of at most `max_size` bytes and verifies its checksum."""
        entry = self._find(name)
        if entry.file_size > max_size:
            raise Refused(f"has an entry {name} of {entry.file_size} bytes; at most {max_size} are read")
        return self._zip.read(entry)

    def open_storage(self, key: str, size: int) -> Callable[[int, int], bytes]:
        """A function that reads bytes `start` to `stop` of a storage of `size` bytes."""
        entry = self._find(f"data/{key}")
        if entry.file_size != size:
            raise ValueError(f"its storage {printable(key)} has {entry.file_size} bytes, not {size}")

        def load(start: int, stop: int) -> bytes:
            with _one_sentence(self._path):
                if (start, stop) == (0, size):
                    return self._zip.read(entry)
                self._verify(entry)
                return self._read_part(entry, start, stop)

        return load

    def _verify(self, entry: zipfile.ZipInfo) -> None:
        """Compares the checksum of an entry the first time that a part of it is read."""
        if entry.filename not in self._verified:
            with self._zip.open(entry) as file:
                while file.read(_CHUNK):
                    pass
            self._verified.add(entry.filename)

    def _read_part(self, entry: zipfile.ZipInfo, start: int, stop: int) -> bytes:
        file: Any = self._zip.fp  # zipfile itself would read all that is before the part
        file.seek(entry.header_offset + _LENGTHS)
        name_length, extra_length = struct.unpack("<HH", file.read(4))
        file.seek(name_length + extra_length + start, os.SEEK_CUR)
        return file.read(stop - start)

    def _find(self, name: str) -> zipfile.ZipInfo:
        try:
            entry = self._zip.getinfo(f"{self._folder}{name}")
        except KeyError:
            raise ValueError(f"it has no entry {printable(name)}") from None
        if entry.compress_type != zipfile.ZIP_STORED:
            raise Refused(
                f"has a compressed entry {printable(name)}, which PyTorch never writes; unzip it and zip "
                f"-0 it"
            )
        # zipfile allocates the size that an entry claims.
        if entry.file_size != entry.compress_size or entry.file_size > self._size:
            raise ValueError(f"its entry {printable(name)} is longer than the file")
        return entry


def _check_format(path: Path) -> None:
    """Refuses files that are often mistaken for PyTorch's zip files, and names their format."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        return
    if head.startswith(b"\x80") or head[257:262] == b"ustar":
        raise Refused(
            "is not a zip file, PyTorch's format since 1.6; load it in PyTorch and save it again: "
            "torch.save(torch.load(...), ...)"
        )
    raise Refused(
        f"begins with {head[:8]!r}, so it is not a PyTorch file; download it again, or give another file"
    )


@contextmanager
def _one_sentence(path: Path) -> Iterator[None]:
    """Converts every exception that a file can cause to a UserError of one sentence."""
    try:
        yield
    except UserError:
        raise
    except Refused as refused:
        raise UserError(f"{path} {refused}") from refused
    except OSError as error:  # a broken file can also cause an invalid seek
        reason = error.strerror or error
        raise UserError(
            f"{path} cannot be read ({reason}); check that it is complete and that you may read it"
        ) from error
    except _BROKEN as error:
        reason = printable(str(error) or "it ends too early")  # an EOFError has no text
        raise UserError(f"{path} is broken ({reason}); copy or download it again") from error
