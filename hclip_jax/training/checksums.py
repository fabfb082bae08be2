"""Checksums of a checkpoint's files, so that damage is found before Orbax parses anything.

`checksums.sha256` of a checkpoint has one line for itself, and one for each file in the form of
`sha256sum --check`:

    # step 8, 14 files
    0a1b...  state/_METADATA

It is written before the checkpoint gets its final name, so every visible checkpoint has it, unless an older
version wrote it. The cost is one reading of the files: 1.3 GB/s on a core with SHA instructions, and files
are read by threads.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hclip_jax.io.files import sha256_of
from hclip_jax.io.paths import files_below, size_of

NAME = "checksums.sha256"
# Times that Orbax writes last, together with the final name. They are not read.
_NOT_LISTED = (NAME, "_CHECKPOINT_METADATA", "commit_success.txt")
_HEADER = re.compile(r"# step (\d{1,18}), (\d{1,9}) files")
_NUM_THREADS = 4
_MAX_BYTES = 2**26


def write_checksums(folder: Path, step: int) -> None:
    """Writes the checksums of all files in `folder`, the checkpoint of `step`.

    Raises:
        OSError: a file cannot be read, or the list not be written.
    """
    names = sorted(name for name in files_below(folder) if name not in _NOT_LISTED)
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        digests = pool.map(lambda name: sha256_of(folder / name), names)
        lines = [f"{digest}  {name}" for digest, name in zip(digests, names, strict=True)]
    content = "\n".join((f"# step {step}, {len(names)} files", *lines)) + "\n"
    (folder / NAME).write_bytes(content.encode())


def find_damage(folder: Path, step: int) -> str | None:
    """Compares a checkpoint with its checksums. Files that are not listed do not matter.

    Returns:
        Damage, such as "state/_METADATA is missing"; empty if it is whole; None if it has no checksums.
    """
    try:
        if not folder.is_dir():
            return "it is not a folder"
        if not any(folder.iterdir()):
            return "it is empty"
        if not (folder / NAME).is_file():
            return None
        if size_of(folder / NAME) > _MAX_BYTES:
            return f"{NAME} is too large"
        digests = _parse((folder / NAME).read_bytes(), step)
        if isinstance(digests, str):
            return digests
        with ThreadPoolExecutor(_NUM_THREADS) as pool:
            found = pool.map(lambda name: _damage_of_file(folder, name, digests[name]), digests)
            return next(filter(None, found), "")
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"


def _parse(content: bytes, step: int) -> dict[str, str] | str:
    """The digest of each file, or the damage of the list."""
    changed = f"{NAME} was changed or cut"
    try:
        header, *lines = content.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        return changed
    digests = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    match = _HEADER.fullmatch(header)
    if not match or int(match[2]) != len(digests) or "" in digests or not all(map(str.isprintable, digests)):
        return changed
    return digests if int(match[1]) == step else f"it is the checkpoint of step {int(match[1])}"


def _damage_of_file(folder: Path, name: str, digest: str) -> str:
    path = folder / name
    if not path.is_file():
        return f"{name[:100]} is missing"
    return "" if sha256_of(path) == digest else f"{name[:100]} was changed or cut"
