"""Every row of docs/robustness.md names a test that exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    line
    for line in (ROOT / "docs/robustness.md").read_text().splitlines()
    if re.match(r"\| (?!situation)", line)
]


@pytest.mark.parametrize("row", ROWS)
def test_each_row_has_a_test(row):
    file, _, function = row.split("|")[-2].strip(" `").partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert function in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_the_table_has_rows():
    assert len(ROWS) > 10
