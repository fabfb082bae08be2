"""huggingface_hub's cache, whose layout it documents: refs/REVISION, snapshots/COMMIT/FILE, blobs/."""

import re
import shutil
from contextlib import suppress
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.weights.hub.names import HubName


def cache_folder() -> Path:
    """The folder with all repositories: HF_HUB_CACHE, or hub/ in HF_HOME."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser().absolute()


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit, which never changes."""
    return re.fullmatch(r"[0-9a-f]{40}", revision) is not None


def snapshot_folder(name: HubName, commit: str) -> Path:
    """The folder with the files of a commit, which may be missing."""
    return _repo_folder(name) / "snapshots" / commit


def cached_commit(name: HubName) -> str:
    """The commit that the revision of a name had when it was last looked up; "" if it never was."""
    if is_commit(name.revision):
        return name.revision
    try:
        return _ref(name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def store_commit(name: HubName, commit: str) -> None:
    """Stores the commit of a revision; a cache that cannot be written is left unchanged."""
    if cached_commit(name) != commit:
        with suppress(UserError):
            write_atomically(_ref(name), commit)


def cached_files(snapshot: Path) -> set[str]:
    """The files of a commit that are in the cache, by their paths in the repository."""
    return {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}


def free_bytes() -> int:
    """The free space of the cache's disk."""
    folder = cache_folder()
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def remove(file: Path) -> None:
    """Removes a file of a snapshot with its content, as far as the system allows."""
    for path in (file.resolve(), file):
        with suppress(OSError):
            path.unlink()


def _repo_folder(name: HubName) -> Path:
    return cache_folder() / f"{name.kind}s--{name.repo.replace('/', '--')}"


def _ref(name: HubName) -> Path:
    return _repo_folder(name) / "refs" / (name.revision or "main")
