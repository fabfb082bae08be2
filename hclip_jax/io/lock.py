"""A folder that one process at a time writes to."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.io.paths import is_address


@contextlib.contextmanager
def locked(folder: Path, does: str, option: str) -> Iterator[None]:
    """Keeps others out of a folder, which is made; the system unlocks it when the process ends, in any way.

    Reading is not hindered. On disks and systems without locks, and on object stores, which have none,
    nothing happens: two processes in one folder would overwrite each other there.

    Args:
        folder: the folder.
        does: what a process does in it, for the message: "trains".
        option: the option that names it.

    Raises:
        UserError: another process has it, or the folder cannot be written.
    """
    if is_address(folder):
        yield
        return
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); choose a folder that you may write to"
        ) from error
    with file:
        try:
            import fcntl  # absent from Windows

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another process {does} in {folder}; wait for its end, or give another {option}"
            ) from None
        except (ImportError, OSError):
            pass
        yield
