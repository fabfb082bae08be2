"""Paths of this machine, and addresses of object stores such as gs://BUCKET/FOLDER.

An address is a path of `etils.epath`, which has the methods of `pathlib.Path` that are used here. An object
store writes an object whole or not at all; it has no appending, no renaming, no locks and no empty folders.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

from hclip_jax.errors import UserError

# The package that each needs, and what installs it.
_PACKAGES = {
    "gs": ("gcsfs", "'hclip_jax[gcs]'"),
    "s3": ("s3fs", "s3fs"),
    "az": ("adlfs", "adlfs"),
}
_HUB = "hf://"
SCHEMES = tuple(_PACKAGES)
"""Kinds of address from which single files are read: weights, class lists."""
GCS = ("gs",)
"""Kinds in which array_record and Orbax work too: data, work directories."""


def is_address(path: str | Path) -> bool:
    """Whether a path is an address."""
    return "://" in str(path)


def to_path(path: str | Path, schemes: Collection[str] = SCHEMES) -> Path:
    """The path of a text, which may be an address.

    Args:
        path: a path of this machine or an address.
        schemes: kinds of address that are allowed.

    Raises:
        UserError: it is an address of another kind (a name on the Hub stays what it is), or without a
            bucket, or cannot be reached.
    """
    if not is_address(path):
        return Path(path)
    address = str(path)
    if address.startswith(_HUB) and schemes is SCHEMES:  # hf:// is another spelling of hf:
        return Path(f"hf:{address.removeprefix(_HUB)}")
    scheme = address.partition("://")[0]
    if scheme not in schemes:
        raise UserError(
            f"{address} is no address that can be read: give {_listed(schemes)} or a path of this machine "
            f"(gs:// needs pip install 'hclip_jax[gcs]')"
        )
    found = as_address(address)
    if len(found.parts) < 3:
        raise UserError(f"{address} names no bucket: give {scheme}://BUCKET/FOLDER")
    _check_reachable(found, scheme)
    return found


def gcs_path(path: str | Path) -> Path:
    """As `to_path`, for data sets and work directories."""
    return to_path(path, GCS)


def local_path(path: str | Path) -> Path:
    """A path that must be of this machine: a result that is written as a folder, or images that are listed.

    Raises:
        UserError: it is an address, which as a path would be a folder named like its scheme.
    """
    if is_address(path):
        raise UserError(f"{path} is an address; give a path of this machine, and copy it there or from there")
    return Path(path)


def as_address(path: Any) -> Path:
    """An address as a path, without asking whether it can be reached."""
    import fsspec.config  # here, because only addresses need it
    from etils import epath

    # Other processes, and other libraries of this one, write there too: a kept list of files would be old.
    for name in ("gs", "gcs", "s3"):
        fsspec.config.conf.setdefault(name, {}).setdefault("use_listings_cache", False)
    return cast(Path, epath.Path(path))  # it has the methods of Path, but is none by its class


def _check_reachable(path: Path, scheme: str) -> None:
    package, install = _PACKAGES[scheme]
    try:
        path.exists()
    except ImportError as error:
        raise UserError(
            f"{path} cannot be read without {package}: install it by pip install {install} ({error})"
        ) from error
    except Exception as error:  # of several libraries: no permission, no network, no such storage
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path} cannot be reached ({reason}): check the address and your access") from error


def absolute(path: Path) -> Path:
    """The absolute path; an address is one."""
    return path if is_address(path) else path.absolute()


def exists_or_link(path: Path) -> bool:
    """Whether something is there, if only a link to nothing."""
    return path.exists() if is_address(path) else os.path.lexists(path)


def size_of(path: Path) -> int:
    """The number of bytes of a file.

    Raises:
        OSError: it does not exist or cannot be read.
    """
    stat: Any = path.stat()
    return stat.length if is_address(path) else stat.st_size


def changed_at(path: Path) -> int:
    """When a file was last changed, in nanoseconds; of an address in whole seconds.

    Raises:
        OSError: it does not exist or cannot be read.
    """
    stat: Any = path.stat()
    return stat.mtime * 10**9 if is_address(path) else stat.st_mtime_ns


def files_below(folder: Path, prefix: str = "") -> Iterator[str]:
    """Names of all files below a folder, with "/" between folders.

    Raises:
        OSError: a folder cannot be listed.
    """
    for path in folder.iterdir():
        if path == folder:  # an object store may list the folder itself
            continue
        if path.is_dir():
            yield from files_below(path, f"{prefix}{path.name}/")
        else:
            yield f"{prefix}{path.name}"


def _listed(schemes: Collection[str]) -> str:
    return ", ".join(f"{scheme}://BUCKET/FOLDER" for scheme in schemes)
