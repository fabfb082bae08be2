import pytest
from rich.cells import cell_len

from hclip_jax.io.tables import markdown_table


def test_columns_line_up_as_plain_text() -> None:
    assert markdown_table(
        ["class", "mIoU"], [["cat", "7.25"], ["traffic light", "61.50"]], ["left", "right"]
    ) == (
        "| class         |  mIoU |\n"
        "| :------------ | ----: |\n"
        "| cat           |  7.25 |\n"
        "| traffic light | 61.50 |\n"
    )


def test_wide_characters_and_accents_line_up() -> None:
    table = markdown_table(
        ["class", "id"], [["树", "1"], ["chaise à porteurs", "2"], ["e\u0301cu", "3"]], "right"
    )
    assert len({cell_len(line) for line in table.splitlines()}) == 1


def test_cells_stay_within_their_column() -> None:
    lines = markdown_table(["a|b"], [["x\n  y"], [""]]).splitlines()
    assert lines == [r"| a\|b |", "| :--- |", "| x y  |", "|      |"]


def test_table_without_rows() -> None:
    assert markdown_table(["a", "long name"], []) == "| a   | long name |\n| :-- | :-------- |\n"


@pytest.mark.parametrize(
    ("rows", "align"), [([["1"]], "left"), ([["1", "2", "3"]], "left"), ([], ["left"]), ([], "centre")]
)
def test_wrong_arguments(rows: list[list[str]], align: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"columns|align is"):
        markdown_table(["a", "b"], rows, align)
