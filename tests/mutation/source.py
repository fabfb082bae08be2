"""A source text and changes of it, addressed by the byte offsets that `ast` counts in."""

import ast
import itertools
import re
from typing import NamedTuple


class Edit(NamedTuple):
    """A change of one piece of a source text.

    Attributes:
        kind: one word for the change.
        start: byte offset of the piece.
        end: byte offset of its end.
        new: the text in its place.
    """

    kind: str
    start: int
    end: int
    new: str


class Source:
    """A source text.

    Attributes:
        bytes: the text in UTF-8.
    """

    def __init__(self, text: str):
        self.bytes = text.encode()
        lines = self.bytes.splitlines(keepends=True)
        self._starts = list(itertools.accumulate(map(len, lines), initial=0))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Byte offsets of an expression and of its end."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, start: int, end: int) -> str:
        """The text between two byte offsets."""
        return self.bytes[start:end].decode()

    def operator(self, left: ast.expr, right: ast.expr, symbol: str) -> tuple[int, int]:
        """Span of the operator between two operands, which comments and parentheses may surround."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0].encode()), self.text(start, end))
        start += gap.index(symbol)
        return start, start + len(symbol)
