"""CLIP's tokenizer: text to the ids of a byte-level byte-pair encoding, lower-cased.

Source: Radford et al. 2021, section 2.4, and the released vocabulary. The ids are CLIP's own, so
any CLIP weights can be used with them.
"""

import functools
import gzip
import html
import importlib.resources
import itertools
from collections.abc import Sequence

import ftfy
import numpy as np
import regex

from hclip_jax.errors import UserError

START = 49406
END = 49407

_SPECIAL = {"<|startoftext|>": START, "<|endoftext|>": END}
_MERGES = START - 2 * 256  # the file holds more; CLIP was trained with these
_WORD_END = "</w>"
_WORDS = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>"
    r"|'s|'t|'re|'ve|'m|'ll|'d"  # English clitics
    r"|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",  # letters, a single digit, punctuation
    regex.IGNORECASE,
)


def encode(text: str) -> list[int]:
    """Returns the ids of a text, without START and END."""
    return list(_encode(text))


def tokenize(texts: Sequence[str], context_length: int = 77) -> np.ndarray:
    """Makes the text tower's input: START, the ids of the text, END, then zeros.

    Args:
        texts: the texts, one a row.
        context_length: tokens a row; CLIP's text towers know 77 positions.

    Returns:
        int32 [len(texts), context_length].

    Raises:
        UserError: a text does not fit.
    """
    rows = np.zeros((len(texts), context_length), np.int32)
    for row, text in zip(rows, texts, strict=True):
        tokens = [START, *_encode(text), END]
        if len(tokens) > context_length:
            shown = text if len(text) <= 80 else f"{text[:77]}..."
            raise UserError(
                f"Text {shown!r} has {len(tokens)} tokens, start and end included, but at most "
                f"{context_length} fit; shorten it."
            )
        row[: len(tokens)] = tokens
    return rows


@functools.lru_cache(maxsize=65536)
def _encode(text: str) -> tuple[int, ...]:
    return tuple(itertools.chain.from_iterable(map(_encode_word, _WORDS.findall(_clean(text)))))


def _clean(text: str) -> str:
    # Twice, because captions from the web come with "&amp;lt;".
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return regex.sub(r"\s+", " ", text).strip().lower()


@functools.lru_cache(maxsize=65536)
def _encode_word(word: str) -> tuple[int, ...]:
    if word in _SPECIAL:
        return (_SPECIAL[word],)
    symbols, ranks, ids = _vocabulary()
    parts = [symbols[byte] for byte in word.encode()]
    parts[-1] += _WORD_END
    while len(parts) > 1:
        best = min(itertools.pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        parts = _merge(parts, best)
    return tuple(ids[part] for part in parts)


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """Joins every occurrence of the pair, from the left."""
    merged: list[str] = []
    position = 0
    while position < len(parts):
        width = 2 if tuple(parts[position : position + 2]) == pair else 1
        merged.append("".join(parts[position : position + width]))
        position += width
    return merged


@functools.cache
def _vocabulary() -> tuple[list[str], dict[tuple[str, str], int], dict[str, int]]:
    """Returns the symbol of each byte, the rank of each merge and the id of each token."""
    # Printable bytes stand for themselves and come first; the others borrow letters from 256 on,
    # because the vocabulary file separates tokens by white space.
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    borrowed = [byte for byte in range(256) if byte not in printable]
    symbol_of = {byte: chr(byte) for byte in printable}
    symbol_of |= {byte: chr(256 + index) for index, byte in enumerate(borrowed)}

    resource = importlib.resources.files("hclip_jax.text") / "bpe_vocabulary.txt.gz"
    lines = gzip.decompress(resource.read_bytes()).decode().split("\n")
    merges = [(left, right) for left, right in map(str.split, lines[1 : 1 + _MERGES])]

    letters = list(symbol_of.values())
    tokens = letters + [letter + _WORD_END for letter in letters] + ["".join(m) for m in merges]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    return [symbol_of[byte] for byte in range(256)], ranks, {t: i for i, t in enumerate(tokens)}
