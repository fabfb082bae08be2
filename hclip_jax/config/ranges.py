"""Annotations that say what a number may be."""

from typing import Annotated, NamedTuple

LARGEST = 2**32 - 1
"""Larger numbers are mistakes, and would exhaust the memory before any other check could say so."""


class Range(NamedTuple):
    """More than 0, or 0 as well if `zero`, and at most `largest`."""

    zero: bool = False
    largest: int = LARGEST


Positive = Annotated[float, Range()]
NonNegative = Annotated[float, Range(zero=True)]
PositiveInt = Annotated[int, Range()]
NonNegativeInt = Annotated[int, Range(zero=True)]
