"""Two processes evaluate a suite, each its own images, as one process does."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.workers import start, wait
from tests.labelled_folder import make_folder


def table_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of the table, without the time that they took."""
    table = json.loads((folder / "run/evaluation/two/table.json").read_text())
    return [{name: value for name, value in row.items() if name != "seconds"} for row in table["rows"]]


@pytest.mark.slow
def test_two_processes_fill_the_table_of_one(tmp_path: Path) -> None:
    """Also three images for two processes, and a set that is not there."""
    sets = []
    for name, split in (("one", "val"), ("other", "train")):
        make_folder(tmp_path / name)
        sets.append({"name": name, "root": str(tmp_path / name), "split": split})
    for kind in ("images", "labels"):
        (tmp_path / f"other/{kind}/train/d.png").unlink()
    sets.append({"name": "absent", "root": str(tmp_path / "absent")})
    (tmp_path / "two.json").write_text(json.dumps({"sets": sets}))
    arguments = ["--mode=evaluate", "--config.evaluation.num_images=0"]
    arguments += [f"--config.evaluation.suite={tmp_path / 'two.json'}"]
    for count in (1, 2):
        workers = start(tmp_path / f"of_{count}", count, 1, arguments)
        assert wait(workers) == [0] * count, workers[0].text()
    expected, found = table_rows(tmp_path / "of_1"), table_rows(tmp_path / "of_2")
    assert [row["images"] for row in expected] == ["4", "3", ""]
    for row, reference in zip(found, expected, strict=True):
        for name, value in reference.items():
            close = isinstance(value, float)
            assert row[name] == (pytest.approx(value, abs=1e-2) if close else value), (row["name"], name)
    assert "evaluated already" not in workers[0].text()
    again = start(tmp_path / "of_2", 2, 1, arguments)
    assert wait(again) == [0, 0], again[0].text()
    assert again[0].text().count("evaluated already") == 2
