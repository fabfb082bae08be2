import csv
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.datasets.package_files import class_names
from hclip_jax.evaluation.bootstrap import miou_interval
from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix
from hclip_jax.evaluation.image_counts import ImageCounts, read_counts
from hclip_jax.evaluation.report import read_summaries, write_report
from hclip_jax.text.reading import same_readings

NAMES = ["cat, kitten", "a | b", "not present", "日本語"]
DETAILS = {"step": 1000, "protocol": {"windows": 4}, "images": 2}


IMAGES = [
    (np.array([[0, 0, 1, 3]]), np.array([[0, 0, 1, 3]])),
    (np.array([[3, 3, 0, 2]]), np.array([[3, 0, -1, 0]])),
]


@pytest.fixture
def confusion() -> ConfusionMatrix:
    matrix = ConfusionMatrix(NAMES)
    for prediction, label in IMAGES:
        matrix.update(prediction, label)
    return matrix


@pytest.fixture
def counts() -> ImageCounts:
    rows = [ConfusionMatrix(NAMES).update(prediction, label) for prediction, label in IMAGES]
    return ImageCounts.from_rows(NAMES, ["a", "b"], rows)


def parse_table(lines: list[str], start: int) -> list[list[str]]:
    """Cells of the Markdown table rows from line `start` on."""
    rows = [line for line in lines[start:] if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_json_holds_everything_and_is_returned(
    tmp_path: Path, confusion: ConfusionMatrix, counts: ImageCounts
) -> None:
    report = write_report(tmp_path / "evaluation", "ade", confusion, counts, DETAILS)
    assert json.loads((tmp_path / "evaluation" / "ade.json").read_text("utf-8")) == report
    interval = miou_interval(counts)
    assert interval
    assert report == {
        "summary": confusion.summary(),
        "mIoU_interval": list(interval),
        "num_classes": 4,
        "num_present_classes": 3,
        "same_names": [],
        "per_class": confusion.per_class(),
        "confusions": [list(row) for row in confusion.largest_confusions(1000)],
        "details": DETAILS,
    }
    assert sorted(p.name for p in (tmp_path / "evaluation").iterdir()) == [
        "ade.csv",
        "ade.json",
        "ade.md",
        "ade.npz",
    ]
    stored = read_counts(tmp_path / "evaluation" / "ade.npz")
    assert (stored.class_names, stored.image_names) == (counts.class_names, counts.image_names)
    np.testing.assert_array_equal(stored.prediction, counts.prediction)


def test_csv_has_a_row_for_every_class(
    tmp_path: Path, confusion: ConfusionMatrix, counts: ImageCounts
) -> None:
    write_report(tmp_path, "ade", confusion, counts, DETAILS)
    with (tmp_path / "ade.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(NAMES)
    for row, metrics in zip(rows, confusion.per_class(), strict=True):
        actual = {
            key: (value or None) if key in ("name", "mistaken_for") else float(value or "nan")
            for key, value in row.items()
        }
        expected = {key: np.nan if value is None else value for key, value in metrics.items()}
        expected["mistaken_for"] = metrics["mistaken_for"]
        assert actual == pytest.approx(expected, nan_ok=True)


def test_markdown_has_detectron2s_metrics_then_the_classes(
    tmp_path: Path, confusion: ConfusionMatrix, counts: ImageCounts
) -> None:
    write_report(tmp_path, "ade", confusion, counts, DETAILS)
    lines = (tmp_path / "ade.md").read_text("utf-8").splitlines()
    first = lines.index("")
    second = next(i for i, line in enumerate(lines) if line.startswith("| name"))
    header, _, metrics = parse_table(lines[:second], first)
    assert header == ["mIoU", "fwIoU", "mACC", "pACC", "mIoU_all"]
    assert metrics == [f"{confusion.summary()[name]:.2f}" for name in header]
    rows = parse_table(lines, second)[2:]
    assert [row[0] for row in rows] == ["cat, kitten", r"a \| b", "not present", "日本語"]
    assert rows[2][1:3] == ["–", "–"]
    assert rows[0][1] == "50.00"


def test_markdown_says_how_many_classes_occur_and_how_certain_miou_is(
    tmp_path: Path, confusion: ConfusionMatrix, counts: ImageCounts
) -> None:
    report = write_report(tmp_path, "ade", confusion, counts, DETAILS, [("cat, kitten", "日本語")])
    text = (tmp_path / "ade.md").read_text("utf-8")
    low, high = report["mIoU_interval"]
    assert f"95 % interval of mIoU over the 2 images: {low:.2f} to {high:.2f}.\n" in text
    assert "\n3 of 4 classes occur in the ground truth. " in text
    assert "\n- cat, kitten = 日本語\n" in text
    assert report["same_names"] == [["cat, kitten", "日本語"]]


def test_the_names_of_ade_847_that_clip_reads_as_the_same_words_are_listed(tmp_path: Path) -> None:
    names = class_names("ade20k_847")
    confusion, label = ConfusionMatrix(names), np.array([[0, 1, 2]])
    counts = ImageCounts.from_rows(names, ["a"], [confusion.update(label, label)])
    report = write_report(tmp_path, "ade", confusion, counts, DETAILS, same_readings(names, "first"))
    assert len(report["same_names"]) == 9
    assert ["pot, flowerpot", "pot"] in report["same_names"]
    text = (tmp_path / "ade.md").read_text("utf-8")
    assert "3 of 847 classes occur in the ground truth." in text
    assert (
        "\n- bag = bag, traveling bag, travelling bag, grip, suitcase = bag, handbag, pocketbook, purse\n"
        in text
    )


def test_markdown_tables_line_up_as_plain_text(
    tmp_path: Path, confusion: ConfusionMatrix, counts: ImageCounts
) -> None:
    write_report(tmp_path, "ade", confusion, counts, DETAILS)
    lines = (tmp_path / "ade.md").read_text("utf-8").splitlines()
    second = next(i for i, line in enumerate(lines) if line.startswith("| name"))
    bars = set()
    for line in lines[second:]:
        wide = "".join(c * (1 + (unicodedata.east_asian_width(c) == "W")) for c in line)
        plain = wide.replace(r"\|", "--")
        bars.add(tuple(i for i, c in enumerate(plain) if c == "|"))
    assert len(bars) == 1


def test_an_empty_evaluation_is_written_without_nan(tmp_path: Path) -> None:
    report = write_report(tmp_path, "empty", ConfusionMatrix(NAMES), ImageCounts.from_rows(NAMES, [], []), {})
    assert report["mIoU_interval"] is None
    assert set(report["summary"].values()) == {None}
    for suffix in ("json", "csv", "md"):
        assert "nan" not in (tmp_path / f"empty.{suffix}").read_text("utf-8").lower()


def test_details_that_json_cannot_hold_are_refused_before_writing(
    tmp_path: Path, confusion: ConfusionMatrix, counts: ImageCounts
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_report(tmp_path, "ade", confusion, counts, {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_summaries_of_one_step(tmp_path: Path, confusion: ConfusionMatrix, counts: ImageCounts) -> None:
    for name, step in (("val", 4), ("open", 4), ("old", 3)):
        write_report(tmp_path, name, confusion, counts, {"step": step, "images": 2, "protocol": "single"})
    for name, content in (("broken", "{"), ("list", "[]"), ("other", '{"summary": 1}')):
        (tmp_path / f"{name}.json").write_text(content)
    summaries = read_summaries(tmp_path, 4)
    assert list(summaries) == ["open", "val"]
    numbers = {key: value for key, value in confusion.summary().items() if value is not None}
    assert summaries["val"] == {"images": 2, **numbers}
    assert read_summaries(tmp_path / "missing", 4) == {}
