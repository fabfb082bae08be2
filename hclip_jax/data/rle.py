"""Run-length encoded masks of the COCO API (Apache-2.0 code is not used; the format is)."""

from collections.abc import Sequence

import numpy as np


def decode_mask(counts: str | Sequence[int], height: int, width: int) -> np.ndarray:
    """Decodes a mask.

    Runs of 0 and 1 alternate, starting with 0, down the columns. In a string, a run is written in groups of
    5 bits, lowest first, each as a character of code 48 + group; bit 5 says that another group follows, bit 4
    of the last group is the sign. From the fourth run on, the run before the last is subtracted.

    Args:
        counts: the runs, as a string or as numbers.
        height: H.
        width: W.

    Returns:
        bool [H, W].

    Raises:
        ValueError: the runs are broken or do not add up to H * W.
    """
    runs = _parse(counts) if isinstance(counts, str) else [int(run) for run in counts]
    if any(run < 0 for run in runs) or sum(runs) != height * width:
        raise ValueError(f"its runs do not add up to {width} x {height}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _parse(text: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise ValueError(f"its runs hold the character {character!a}")
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("its runs end too early")
    return runs


def encode_mask(mask: np.ndarray) -> str:
    """Encodes a mask as the string that `decode_mask` and pycocotools decode.

    Args:
        mask: bool [H, W].
    """
    values = np.concatenate([[False], mask.T.ravel()])
    changes = np.flatnonzero(values[1:] != values[:-1])
    runs = np.diff(changes, prepend=0, append=mask.size)
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    return "".join(map(_digits, numbers.tolist()))


def _digits(value: int) -> str:
    text = ""
    while True:
        group, value = value & 31, value >> 5
        if value == (-1 if group & 16 else 0):  # the sign of the last group is that of the number
            return text + chr(48 + group)
        text += chr(80 + group)
