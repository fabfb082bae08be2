import json
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.analysis.compile.checks import growth, problems, read_stored
from hclip_jax.analysis.compile.collectives import Collective
from hclip_jax.analysis.compile.report import Loop, ProgramReport, collective_table, loop_table, summary_table
from hclip_jax.errors import UserError

SUM = Collective("all-reduce", 50_000_000, 1, 0, "data", "training/step.py:68", False)
MEMORY = {"arguments": 1, "results": 0, "temporaries": 5, "program": 1, "peak": 2_000_000_000}
REPORT = ProgramReport(
    "step", "8x1", 8, MEMORY, 1.5e12, 1.7e12, 10**10, 8, [SUM], [Loop(11, "a.py:1"), Loop(0, "")], 60
)


def test_a_program_that_fits_has_no_problem() -> None:
    assert problems([REPORT], 16 * 10**9) == []


def test_memory_that_does_not_fit() -> None:
    (found,) = problems([REPORT], 10**9)
    assert found.startswith("the step needs 2.00 GB of a chip that has 1.00; give a smaller train.batch_size")


def test_a_sum_of_gradients_in_a_loop() -> None:
    report = REPORT._replace(collectives=[SUM, SUM._replace(loops=1, times=12, source="models/a.py:5")])
    (found,) = problems([report], 16 * 10**9)
    assert found == (
        "the step has a sum of gradients in a loop: 12 x 50.00 MB over data, made by models/a.py:5"
    )


def test_growth_of_more_than_a_hundredth() -> None:
    stored = {"programs": [json.loads(json.dumps(REPORT.to_json()))]}
    assert growth([REPORT], stored) == []
    assert growth([REPORT._replace(name="evaluation")], stored) == []
    grown = REPORT._replace(
        collectives=[SUM, SUM], memory=MEMORY | {"peak": 2_030_000_000}, traffic=11 * 10**9
    )
    assert growth([grown], stored) == [
        "the step's collectives grew from 50.00 to 100.00 MB a chip",
        "the step's peak memory grew from 2000.00 to 2030.00 MB a chip",
        "the step's memory traffic grew from 10000.00 to 11000.00 MB a chip",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mesh": "8x1", "programs": [{}]}', "\xff"])
def test_a_file_that_is_no_report(tmp_path: Path, text: str) -> None:
    file = tmp_path / "compile.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(
        UserError, match=r"compile.json (is no report of hclip compile|is empty|cannot be read as JSON)"
    ):
        read_stored(file, {"mesh": "8x1"})


def test_a_report_of_other_arguments(tmp_path: Path) -> None:
    file = tmp_path / "compile.json"
    content: dict[str, Any] = {"mesh": "8x1", "programs": [REPORT.to_json()]}
    file.write_text(json.dumps(content))
    assert read_stored(file, {"mesh": "8x1"}) == json.loads(file.read_text())
    with pytest.raises(UserError, match="was made with mesh = 8x1, but it is 4x2 now"):
        read_stored(file, {"mesh": "4x2"})


def test_tables() -> None:
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in summary_table([REPORT], 10**10).splitlines()
    ]
    row = dict(zip(cells[0], cells[2], strict=True))
    assert (row["program"], row["mesh"], row["images"], row["peak GB"]) == ("step", "8x1", "8", "2.00")
    assert (row["of GB"], row["GFLOP a chip"], row["passes"], row["MB"]) == ("10.0", "1,500", "1,700", "50.0")
    assert "| all-reduce" in collective_table(REPORT)
    assert [line.split("|")[2].strip() for line in loop_table(REPORT).splitlines()[2:]] == ["11", "?"]
