"""Things that often lie in place of a file: a pointer of Git LFS, a web page, nothing, a pipe."""

import stat
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.io.paths import is_address


def check_file(path: Path, fix: str) -> None:
    """Checks that `path` can be read as a file with data, without opening devices and pipes.

    Args:
        path: the file.
        fix: the end of the message if the system refuses it, such as "give a weights file".

    Raises:
        UserError: it does not exist, cannot be read, or is a substitute.
    """
    try:
        problem = substitute(path)
    except FileNotFoundError as error:
        what = "is a link to nothing" if not is_address(path) and path.is_symlink() else "does not exist"
        raise UserError(f"{path} {what}; {fix}") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read ({reason}); {fix}") from error
    if problem:
        raise UserError(f"{path} {problem}")


def substitute(path: Path) -> str:
    """Describes the thing that `path` is instead of a file with data, and the fix; empty if it may be data.

    Only files are opened: reading a pipe may never end.

    Returns:
        The end of a sentence that starts with the path, such as "is empty; download it again".

    Raises:
        OSError: `path` does not exist or cannot be read.
    """
    if is_address(path):
        if path.is_dir():
            return "is a folder, not a file; give a file"
    elif not stat.S_ISREG(path.stat().st_mode):
        return f"is a {'folder' if path.is_dir() else 'device or pipe'}, not a file; give a file"
    with path.open("rb") as file:
        return substitute_content(file.read(512))


def substitute_content(start: bytes) -> str:
    """As `substitute`, for the first bytes of a file."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return "is empty; copy or download it again"
    if text.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file; run git lfs pull"
    if text[:9].lower() == b"<!doctype" or text[:5].lower() == b"<html":
        return "is a web page, not the file; download the file itself"
    return ""
