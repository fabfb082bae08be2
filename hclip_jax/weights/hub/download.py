"""Downloads models by their names on the Hub, and verifies their checksums."""

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hclip_jax.errors import UserError
from hclip_jax.weights.hub import cache
from hclip_jax.weights.hub.choose import choose_files
from hclip_jax.weights.hub.failures import endpoint, hub_errors, is_offline, is_unreachable
from hclip_jax.weights.hub.names import HubName, is_hub_name, parse_hub_name

_RESERVE = 2**26  # bytes of the disk that a download leaves free


class _RepoFile(NamedTuple):
    """The properties of a file of a repository that the Hub states."""

    size: int
    sha256: str  # of a large file, or ""
    git_sha1: str  # of a small file, or ""


def local_path(model: str | Path) -> str | Path:
    """The path on this machine of a model that may be given by its name on the Hub.

    Without a connection, the copy in huggingface_hub's cache is used.

    Args:
        model: a path, which is returned unchanged, or hf:[spaces/]OWNER/NAME[@REVISION][/PATH]. PATH is a
            file, or a folder whose weights and configuration files are taken.

    Returns:
        A file or folder in the cache.

    Raises:
        UserError: the name has another form; there is no such repository, revision or file, or it may not be
            read; the Hub cannot be reached and the cache has no copy; the download breaks off, does not fit
            on the disk, or is not the file that the Hub states.
    """
    if not is_hub_name(model):
        return model
    name = parse_hub_name(str(model))
    with hub_errors(name, f"the cache {cache.cache_folder()} has no copy of it"):
        return _download(name)


def _download(name: HubName) -> Path:
    try:
        commit, present = _list_files(name)
    except Exception as error:
        if not is_unreachable(error):
            raise
        return _from_cache(name, error)
    cache.store_commit(name, commit)
    snapshot = cache.snapshot_folder(name, commit)
    files = choose_files(name.path, present, str(name._replace(path="")))
    _check_space(name, snapshot, {file: present[file].size for file in files})
    for file in files:
        _verify(_download_file(name, commit, file), present[file], name)
    return snapshot / name.path


def _list_files(name: HubName) -> tuple[str, Mapping[str, _RepoFile]]:
    """The commit of a revision, and all its files by path."""
    from huggingface_hub import HfApi, constants

    api = HfApi(library_name="hclip_jax")
    look_up = api.space_info if name.kind == "space" else api.model_info
    info = look_up(
        name.repo,
        revision=name.revision or None,
        timeout=constants.HF_HUB_ETAG_TIMEOUT,
        files_metadata=True,
    )
    if not cache.is_commit(str(info.sha)):
        raise ValueError("it states no commit")
    return str(info.sha), {
        file.rfilename: _RepoFile(file.size or 0, file.lfs.sha256 if file.lfs else "", file.blob_id or "")
        for file in info.siblings or ()
    }


def _download_file(name: HubName, commit: str, file: str) -> Path:
    """The path of a file in the cache; it is downloaded under another name, and renamed when it is whole."""
    from huggingface_hub import hf_hub_download

    with hub_errors(name, f"the download of {file} broke off"):
        return Path(hf_hub_download(name.repo, file, repo_type=name.kind, revision=commit))


def _from_cache(name: HubName, error: Exception) -> Path:
    """The copy in the cache, where the Hub cannot be reached."""
    snapshot = cache.snapshot_folder(name, cache.cached_commit(name) or "none")
    try:
        choose_files(name.path, cache.cached_files(snapshot), str(name))
    except UserError:
        raise error from None
    if not is_offline(error):
        warnings.warn(
            f"{endpoint()} cannot be reached; the copy of {name} in the cache is used (commit "
            f"{snapshot.name[:10]})",
            stacklevel=2,
        )
    return snapshot / name.path


def _check_space(name: HubName, snapshot: Path, sizes: Mapping[str, int]) -> None:
    missing = sum(size for file, size in sizes.items() if not (snapshot / file).exists())
    free = cache.free_bytes()
    if missing and missing + _RESERVE > free:
        raise UserError(
            f"{name} takes {missing:,} bytes, but the disk of {cache.cache_folder()} has only {free:,} free; "
            f"free some, or set HF_HOME to a folder on another disk"
        )


def _verify(path: Path, expected: _RepoFile, name: HubName) -> None:
    """Refuses a file that is not the one that the Hub lists, and removes it from the cache."""
    size = path.stat().st_size
    if expected.sha256:
        wanted, digest = expected.sha256, hashlib.sha256()
    else:
        wanted, digest = expected.git_sha1, hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    if wanted in ("", digest.hexdigest()):
        return
    cache.remove(path)
    raise UserError(
        f"{path.name} of {name} is not the file that {endpoint()} lists: it has {size:,} bytes with the "
        f"checksum {digest.hexdigest()[:16]}, instead of {expected.size:,} with {wanted[:16]}; it was "
        f"removed from the cache: run the command again"
    )
