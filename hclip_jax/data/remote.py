"""Paths of data on this machine and in object storage, such as gs://BUCKET/FOLDER."""

from pathlib import Path
from typing import Any, cast

from hclip_jax.errors import UserError
from hclip_jax.io.json_file import parse_json, read_json


def is_remote(root: str | Path) -> bool:
    """Whether a root is an address."""
    return "://" in str(root)


def data_path(root: str | Path) -> Path:
    """Returns a path that reads files of this machine or of an address.

    The records themselves are read by array_record, which knows gs:// without further packages.

    Raises:
        UserError: the address cannot be reached.
    """
    if not is_remote(root):
        return Path(root)
    if not str(root).startswith("gs://"):
        raise UserError(
            f"{root} is no address that can be read: give gs://BUCKET/FOLDER, or copy the data here"
        )
    from etils import epath  # here, because only addresses need it

    path = cast(Path, epath.Path(str(root)))  # it has the methods of Path, but is none by its class
    try:
        path.exists()
    except ImportError as error:
        raise UserError(
            f"{root} cannot be read without gcsfs: install it by pip install 'hclip_jax[gcs]' ({error})"
        ) from error
    except Exception as error:  # of several libraries: no permission, no network, no such storage
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{root} cannot be reached ({reason}): check the address and your access") from error
    return path


def read_data_json(path: Path, fix: str) -> Any:
    """Reads a JSON file of `data_path`, as `io.json_file.read_json`.

    Raises:
        UserError: it cannot be read or is no JSON.
    """
    return parse_json(path.read_bytes(), str(path), fix) if is_remote(path) else read_json(path, fix)
