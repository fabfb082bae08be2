"""gs://bucket as a folder of this machine, with the limits of an object store, for tests without a network.

A real bucket was never at hand: this shows that the program asks only for what an object store has.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from fsspec.implementations.local import LocalFileSystem

from hclip_jax.io.paths import as_address

ADDRESS = "gs://bucket"


class Bucket(LocalFileSystem):
    """No appending, no renaming, no empty folders."""

    folder = ""
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        return os.fspath(path).replace(ADDRESS, cls.folder).rstrip("/")

    def open(self, path: Any, mode: str = "rb", *arguments: Any, **options: Any) -> Any:
        assert mode.rstrip("bt") in ("r", "w"), f"an object store cannot open {path} as {mode}"
        if "w" in mode:
            Path(self._strip_protocol(path)).parent.mkdir(parents=True, exist_ok=True)
        return super().open(path, mode, *arguments, **options)

    def exists(self, path: str, **options: Any) -> bool:
        return self.isfile(path) or self.isdir(path)

    def isdir(self, path: str) -> bool:
        return any(files for _, _, files in os.walk(self._strip_protocol(path)))

    def ls(self, path: Any, detail: bool = False, **options: Any) -> Any:
        found: Any = super().ls(path, detail=True, **options)
        found = [entry for entry in found if entry["type"] == "file" or self.isdir(entry["name"])]
        if not found:
            raise FileNotFoundError(path)
        return found if detail else [entry["name"] for entry in found]

    def glob(self, path: Any, maxdepth: Any = None, **options: Any) -> Any:
        return [name.replace(self.folder, "bucket") for name in super().glob(path, maxdepth, **options)]

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Makes nothing: folders are parts of names."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """As `mkdir`."""

    def mv(self, *paths: Any, **options: Any) -> None:
        raise AssertionError(f"an object store cannot rename {paths}")

    rename = move = mv_file = mv


@contextmanager
def bucket(folder: Path) -> Iterator[Path]:
    """ADDRESS is `folder`: for fsspec, and for TensorStore, which has its own client."""
    from etils.epath import backend
    from orbax.checkpoint._src.path import gcs_utils

    def kvstore(path: str) -> dict[str, str]:
        return {"driver": "file", "path": Bucket._strip_protocol(path)}

    with (
        mock.patch.object(Bucket, "folder", str(folder)),
        mock.patch.object(backend._FileSystemSpecBackend, "_get_filesystem", return_value=Bucket()),
        mock.patch.object(gcs_utils, "get_kvstore_for_gcs", kvstore),
        mock.patch.object(gcs_utils, "is_hierarchical_namespace_enabled", return_value=False),
    ):
        yield as_address(ADDRESS)
