"""JSON for people to read, and JSON that people, disks and programs wrote: a value, or one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hclip_jax.errors import UserError, printable
from hclip_jax.io.paths import size_of
from hclip_jax.io.substitutes import check_file

MAX_BYTES = 2**26
"""Larger files are refused unread: the largest JSON in use, an index of weights, has some 100 kB."""


def format_json(value: Any) -> str:
    r"""Formats a value in lines, with every character as itself.

    Bytes of a file name that are not UTF-8, of which Python makes half a surrogate pair, become "\udcxx", as
    JSON escapes them.

    Raises:
        ValueError: a number is not finite, which JSON has not.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode(errors="backslashreplace").decode()


def read_json(path: Path, fix: str, max_bytes: int = MAX_BYTES) -> Any:
    """Reads a JSON file in UTF-8, with or without a byte order mark.

    Args:
        path: the file; a device or a pipe is not opened.
        fix: the end of the message, such as "download it again".
        max_bytes: larger files are refused unread.

    Raises:
        UserError: the file cannot be read, is not a file or no JSON; see `parse_json`.
    """
    check_file(path, fix)
    try:
        num_bytes = size_of(path)
        content = path.read_bytes() if num_bytes <= max_bytes else b""
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {fix}") from error
    if num_bytes > max_bytes:
        raise UserError(f"{path} has {num_bytes:,} bytes, too many for JSON; {fix}")
    return parse_json(content, str(path), fix)


def parse_json(
    content: str | bytes,
    where: str,
    fix: str,
    pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Parses JSON.

    Args:
        content: the text, or its UTF-8.
        where: name of the text in the message.
        fix: the end of the message.
        pairs_hook: makes a value of an object's pairs; a dict by default.

    Raises:
        UserError: it is no JSON, or nested too deeply, or has a number of thousands of digits, or a string
            that is no Unicode.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        value = json.loads(text, object_pairs_hook=pairs_hook)
        if "\\ud" in text.lower():  # half a surrogate pair, which cannot be printed or written
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise UserError(f"{where} cannot be read as JSON (nested too deeply); {fix}") from error
    except UnicodeEncodeError as error:
        raise UserError(f"{where} has a string that is no Unicode (half a surrogate pair); {fix}") from error
    except ValueError as error:
        reason = str(error).partition(";")[0]  # the rest is advice for programmers
        raise UserError(f"{where} cannot be read as JSON ({printable(reason)}); {fix}") from error
    return value
