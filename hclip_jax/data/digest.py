"""A digest of a data set's files, which changes with an image that is added, removed or edited."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from hclip_jax.data.spread import spread
from hclip_jax.io.paths import is_address

_NUM_END_BYTES = 64
"""Compressed images end with checksums or depend on all pixels before; times change with every copy."""
_MOST = 12_000
"""More files than this are looked at in a sample; the largest benchmark has 10,210."""
# Files of array_record are padded to whole blocks: neither their size nor their end shows what is in them.
_RECORDS, _BLOCK, _NUM_BLOCKS, _NUM_REMOTE_BLOCKS = ".array_record", 2**16, 256, 4


def digest_files(paths: Sequence[Path]) -> str:
    """The digest of the names, sizes and last bytes of files, in their order.

    The files are not read whole: 0.03 ms each from memory. Of many files, all names count, and the sizes and
    bytes of `spread` alone: each is a request to a network disk, from every process. Files of array_record
    are read up to 16 MiB; of larger ones, blocks that are spread over them, few at an address.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    with ThreadPoolExecutor(16) as pool:  # threads: the disk limits this, not the CPU
        described = spread(len(paths), _MOST)
        if len(described) < len(paths):
            digest.update(repr([path.name for path in paths]).encode(errors="surrogateescape"))
        for line in pool.map(_describe, (paths[index] for index in described)):
            digest.update(line)
    return digest.hexdigest()


def _describe(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _NUM_END_BYTES))
        found: tuple[object, ...] = path.name, size, file.read()
        if _RECORDS in path.name:
            most = _NUM_REMOTE_BLOCKS if is_address(path) else _NUM_BLOCKS
            found = *found, _digest_of_blocks(file, size, most)
        return repr(found).encode(errors="surrogateescape")


def _digest_of_blocks(file: BinaryIO, size: int, most: int) -> bytes:
    digest = hashlib.sha256()
    for block in spread(-(-size // _BLOCK), most):
        file.seek(block * _BLOCK)
        digest.update(file.read(_BLOCK))
    return digest.digest()
