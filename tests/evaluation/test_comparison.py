import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.evaluation.bootstrap import miou, paired_difference
from hclip_jax.evaluation.comparison import (
    Comparison,
    compare,
    compare_folders,
    comparison_table,
    write_comparison,
)
from hclip_jax.evaluation.image_counts import ImageCounts, write_counts
from tests.evaluation.counts import make_counts, take


@pytest.fixture
def a() -> ImageCounts:
    return make_counts(np.random.default_rng(0), 30, 4, skill=0.6)


@pytest.fixture
def b() -> ImageCounts:
    return make_counts(np.random.default_rng(1), 30, 4)


def store(folder: Path, step: int = 2, **sets: ImageCounts) -> Path:
    for name, counts in sets.items():
        write_counts(folder / f"{name}.npz", counts)
        report = {"details": {"protocol": "single", "step": step}, "summary": {"mIoU": miou(counts)}}
        (folder / f"{name}.json").write_text(json.dumps(report))
    return folder


def test_a_row_is_the_paired_test(a: ImageCounts, b: ImageCounts) -> None:
    row = compare("val", a, b)
    assert (row.name, row.a, row.b, row.images) == ("val", miou(a), miou(b), 30)
    assert row[3:7] == paired_difference(a, b)
    with pytest.raises(UserError, match=r"^val: the images differ \(30 and 2\)"):
        compare("val", a, take(b, np.arange(2)))


def test_the_table_lines_up_and_has_a_sign_for_every_difference() -> None:
    rows = [Comparison("voc", 12.5, 12, 0.5, -0.1, 1.1, 0.104, 5000), Comparison("x", 1, 2, -1, -2, 0, 0, 3)]
    assert comparison_table(rows, "ours").splitlines() == [
        "| set |  ours |     B | difference |  95 % interval |       p | images |",
        "| :-- | ----: | ----: | ---------: | -------------: | ------: | -----: |",
        "| voc | 12.50 | 12.00 |      +0.50 | -0.10 to +1.10 |   0.104 |  5,000 |",
        "| x   |  1.00 |  2.00 |      -1.00 | -2.00 to +0.00 | < 0.002 |      3 |",
    ]


def test_sets_that_cannot_be_compared_are_named(tmp_path: Path, a: ImageCounts, b: ImageCounts) -> None:
    other_classes = dataclasses.replace(b, class_names=("sky", *b.class_names[1:]))
    one = store(tmp_path / "a", val=a, classes=a, only=a, protocol=a)
    other = store(tmp_path / "b", val=b, classes=other_classes, protocol=b)
    (other / "protocol.json").write_text("{")
    rows, remarks = compare_folders(one, other, ["val", "classes", "only", "protocol"])
    assert [row.name for row in rows] == ["val", "protocol"]
    assert [remark.partition(":")[0] for remark in remarks] == ["classes", "only", "protocol", "protocol"]
    assert "first number 0: 'class 0' and 'sky'" in remarks[0]
    assert remarks[1] == f"only: {other} has no evaluation of this set"
    assert "the protocols differ (A single, B unknown)" in remarks[2]
    assert remarks[3] == "protocol: A is the checkpoint of step 2, B that of step unknown"


def test_another_step_is_named(tmp_path: Path, a: ImageCounts, b: ImageCounts) -> None:
    one, other = store(tmp_path / "a", val=a), store(tmp_path / "b", step=7, val=b)
    rows, remarks = compare_folders(one, other, ["val"])
    assert len(rows) == 1
    assert remarks == ["val: A is the checkpoint of step 2, B that of step 7"]


def test_counts_of_another_evaluation_than_the_report_are_not_compared(
    tmp_path: Path, a: ImageCounts, b: ImageCounts
) -> None:
    one, other = store(tmp_path / "a", val=a, more=a), store(tmp_path / "b", val=b, more=b)
    write_counts(other / "val.npz", a)  # killed before the report was written
    rows, remarks = compare_folders(one, other, ["val", "more"])
    assert [row.name for row in rows] == ["more"]
    assert re.match(r"val: .*val\.npz and .*val\.json are of two evaluations \(mIoU \d+", remarks[0])


def test_nothing_to_compare_is_refused(tmp_path: Path, a: ImageCounts, b: ImageCounts) -> None:
    one = store(tmp_path / "a", val=a)
    with pytest.raises(UserError, match=r"b has no evaluation of val \(val\.npz\); evaluate that model"):
        compare_folders(one, tmp_path / "b", ["val"])
    other = store(tmp_path / "b", val=take(b, np.arange(1)))
    with pytest.raises(UserError, match=r"^val: the images differ"):
        compare_folders(one, other, ["val"])
    (other / "val.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="does not hold the pixel counts"):
        compare_folders(one, other, ["val"])


def test_the_files_hold_the_table_and_the_remarks(tmp_path: Path, a: ImageCounts, b: ImageCounts) -> None:
    rows = [compare("val", a, b)]
    write_comparison(tmp_path / "new" / "v1.5", rows, ["x: no"], Path("runs/a"), Path("runs/b"))
    tree = json.loads((tmp_path / "new" / "v1.5.json").read_text())
    assert tree == {"a": "runs/a", "b": "runs/b", "rows": [rows[0]._asdict()], "remarks": ["x: no"]}
    with (tmp_path / "new" / "v1.5.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["name"], float(line["p"]), int(line["images"])) == ("val", rows[0].p, 30)
    text = (tmp_path / "new" / "v1.5.md").read_text()
    assert text.startswith("# runs/a (A) against runs/b (B)\n\n| set |")
    assert comparison_table(rows) in text
    assert text.endswith("\nx: no\n")
