"""Damages bytes at random, as disks, editors and attackers do, and judges what a reader makes of them."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hclip_jax.errors import UserError


def mutated(content: bytes, generator: random.Random) -> bytes:
    """Changes `content` in one to four places: bits, bytes, cuts, repeats, insertions."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 4))):
        start = generator.randrange(len(data) + 1)
        length = generator.choice((1, 2, 8, 64))
        match generator.choice(("flip", "replace", "insert", "delete", "repeat", "cut")):
            case "flip" if start < len(data):
                data[start] ^= 1 << generator.randrange(8)
            case "replace":
                data[start : start + length] = generator.randbytes(length)
            case "insert":
                data[start:start] = generator.randbytes(length)
            case "delete":
                del data[start : start + length]
            case "repeat":
                data[start:start] = data[start : start + length] * generator.choice((1, 2, 50))
            case "cut":
                del data[start:]
    return bytes(data)


def mutations(contents: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yields `count` damaged copies of `contents` in turn."""
    generator = random.Random(seed)
    for index in range(count):
        yield mutated(contents[index % len(contents)], generator)


def outcome(read: Callable[[], Any]) -> Any:
    """What `read` returns, or None after a refusal in one printable sentence; other exceptions pass."""
    try:
        return read()
    except UserError as error:
        message = str(error)
        assert message.isprintable(), message
        assert len(message) < 700, message
        return None
