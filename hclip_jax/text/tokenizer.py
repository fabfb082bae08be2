"""CLIP's tokenizer: lower-cased text to token ids of a byte-level byte-pair encoding (BPE).

Source: Radford et al. 2021, section 2.4, and the released BPE vocabulary. The ids equal those of the released
tokenizer, so all CLIP weights can be used with them.
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

from hclip_jax.errors import UserError, printable

START = 49406
END = 49407

_SPECIAL = {"<|startoftext|>": START, "<|endoftext|>": END}
_NUM_MERGES = START - 2 * 256  # the file holds more; CLIP was trained with these
_WORD_END = "</w>"
_MAX_WORD_LENGTH = 250  # characters; the merges of a word cost time with its square
_WORD_PATTERN = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>"
    r"|'s|'t|'re|'ve|'m|'ll|'d"  # English clitics
    r"|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+",  # letters, a single digit, punctuation
    regex.IGNORECASE,
)


def encode(text: str) -> list[int]:
    """Token ids of a text, without START and END; errors as in `words`."""
    return list(_encode(text))


@functools.lru_cache(maxsize=65536)
def words(text: str) -> tuple[str, ...]:
    """The words that CLIP reads in a text: cleaned, in lower case, split at white space and punctuation.

    Texts have the same words if and only if they have the same token ids, because each word has tokens of its
    own. Needs no BPE vocabulary.

    Raises:
        UserError: a word has more than 250 characters.
    """
    found = tuple(_WORD_PATTERN.findall(_clean(text)))
    for word in found:
        if len(word) > _MAX_WORD_LENGTH:
            raise UserError(
                f"the word '{printable(word[:20])}...' has {len(word):,} characters, but the tokenizer takes "
                f"at most {_MAX_WORD_LENGTH}: shorten it or separate its words by blanks"
            )
    return found


def tokenize(texts: Sequence[str], context_length: int) -> np.ndarray:
    """Input of the text tower: START, the token ids of the text, END, then zeros.

    Args:
        texts: S texts, one a row.
        context_length: tokens a row; the released text towers have 77 position embeddings.

    Returns:
        int32 [S, context_length].

    Raises:
        UserError: a text has more than `context_length` tokens, or as in `words`.
    """
    rows = np.zeros((len(texts), context_length), np.int32)
    for row, text in zip(rows, texts, strict=True):
        tokens = [START, *_encode(text), END]
        if len(tokens) > context_length:
            raise UserError(
                f"text '{printable(text)}' has {len(tokens)} tokens, start and end included, but at most "
                f"{context_length} fit; shorten it"
            )
        row[: len(tokens)] = tokens
    return rows


@functools.lru_cache(maxsize=65536)
def _encode(text: str) -> tuple[int, ...]:
    return tuple(itertools.chain.from_iterable(map(_encode_word, words(text))))


def _clean(text: str) -> str:
    # Twice, because captions from the web contain "&amp;lt;".
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return regex.sub(r"\s+", " ", text).strip().lower()


@functools.lru_cache(maxsize=65536)
def _encode_word(word: str) -> tuple[int, ...]:
    if word in _SPECIAL:
        return (_SPECIAL[word],)
    symbols, ranks, ids = _load_bpe()
    parts = [symbols[byte] for byte in word.encode()]
    parts[-1] += _WORD_END
    while len(parts) > 1:
        best = min(itertools.pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        parts = _merge(parts, best)
    return tuple(ids[part] for part in parts)


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """Merges every occurrence of the pair, from the left."""
    merged: list[str] = []
    index = 0
    while index < len(parts):
        num_parts = 2 if tuple(parts[index : index + 2]) == pair else 1
        merged.append("".join(parts[index : index + num_parts]))
        index += num_parts
    return merged


@functools.cache
def _load_bpe() -> tuple[list[str], dict[tuple[str, str], int], dict[str, int]]:
    """Returns the symbol of each byte, the rank of each merge and the id of each token."""
    # The symbol of a printable byte is its own character. The other bytes come after them, with the
    # characters from 256 on, because the file separates tokens by white space.
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    symbol_by_byte = {byte: chr(byte) for byte in printable}
    symbol_by_byte |= {byte: chr(256 + index) for index, byte in enumerate(others)}

    resource = importlib.resources.files("hclip_jax.text") / "bpe_vocabulary.txt.gz"
    lines = gzip.decompress(resource.read_bytes()).decode().split("\n")
    merges = [(left, right) for left, right in map(str.split, lines[1 : 1 + _NUM_MERGES])]

    symbols = list(symbol_by_byte.values())
    tokens = symbols + [symbol + _WORD_END for symbol in symbols] + ["".join(merge) for merge in merges]
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    return [symbol_by_byte[byte] for byte in range(256)], ranks, {t: i for i, t in enumerate(tokens)}
