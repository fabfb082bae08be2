"""Ticks of the diagrams are round numbers around the values."""

import math
import re

import pytest

from hclip_jax.report_page.curves import curves


def ticks(values: list[float], anchor: str) -> list[float]:
    html = curves("x", {"a": list(enumerate(values, 1))})
    return [float(text.replace(",", "")) for text in re.findall(rf'anchor="{anchor}">([^<]*)<', html)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1001, 0.1888], [0.1, 0.12, 0.14, 0.16, 0.18, 0.2]),
        ([0.0, 0.00197], [0.0, 0.0005, 0.001, 0.0015, 0.002]),
        ([0.38, 64.8], [0, 20, 40, 60, 80]),
        ([1.0, 1.0], [0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06]),
        ([-3.0, 7.0, math.nan, math.inf, 1e300], [-4, -2, 0, 2, 4, 6, 8]),
        ([0.0], [-1, -0.5, 0, 0.5, 1]),
        ([3e-323, 5e-324], [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_values(values: list[float], expected: list[float]) -> None:
    assert ticks(values, "end") == pytest.approx(expected)


def test_steps() -> None:
    assert ticks([1.0] * 60, "middle") == [20, 40, 60]
    assert ticks([1.0, 2.0, 3.0], "middle") == [1, 2, 3]
