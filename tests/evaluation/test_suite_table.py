"""Rows, published figures, means by domain and the three forms of the table."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from hclip_jax.evaluation.comparison import Comparison
from hclip_jax.evaluation.evaluate_set import LabelledSet
from hclip_jax.evaluation.suite import Suite, SuiteSet
from hclip_jax.evaluation.suite_rows import measured_row, missing_row, published_of
from hclip_jax.evaluation.suite_sets import OpenSet
from hclip_jax.evaluation.suite_table import Table, domain_means, markdown, write_table

A150 = SuiteSet("ade20k_150", title="A-150", benchmark="ade20k_150")
PAPER = Suite((A150,), compare=("H-CLIP", "CAT-Seg"), name="paper")
MODEL = {
    "source": "weights.pth", "fingerprint": "f" * 64, "backbone": "ViT-B/16", "dtype": "float32",
    "protocol": "sliding", "version": "1.2.3",
}  # fmt: skip


class _NoImages:
    class_names: tuple[str, ...] = ("wall", "sky")

    def __len__(self) -> int:
        return 2000

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def digest(self) -> str:
        return ""


def opened(entry: SuiteSet, *, is_official: bool = True) -> OpenSet:
    labelled = LabelledSet(entry.name, _NoImages(), 0, 2000)
    return OpenSet(entry, "/data", labelled, entry.benchmark, "2,000", is_official)


def report(miou: float = 33.0, miou_all: float = 30.0) -> dict[str, Any]:
    return {
        "summary": {"mIoU": miou, "mIoU_all": miou_all},
        "mIoU_interval": [32.0, 34.5],
        "num_classes": 150,
        "num_present_classes": 148,
        "per_class": [
            {"name": "wall", "IoU": 50.0, "IoU_all": 50.0},
            {"name": "sky", "IoU": None, "IoU_all": 0.0},
            {"name": "tree", "IoU": 20.0, "IoU_all": 20.0},
        ],
        "details": {"protocol": "sliding"},
        "cell": {"seconds": 61.7},
    }


def test_measured_and_published_figures() -> None:
    row = measured_row(opened(A150), PAPER, "ViT-B/16", report())
    assert row.published == {"H-CLIP": 32.4, "CAT-Seg": 31.8}
    assert row.difference == pytest.approx({"H-CLIP": 0.6, "CAT-Seg": 1.2})
    assert (row.mIoU, row.mIoU_all, row.mIoU_interval) == (33.0, 30.0, (32.0, 34.5))
    text = markdown(Table(PAPER, MODEL, [row]))
    assert "| A-150 | 148 of 150 |  2,000 | 33.00 | 32.00 to 34.50 |    30.00 |" in text
    assert "32.4 |      +0.60 |             31.8 |      +1.20 | sliding  |      62 |" in text
    assert "fingerprint ffffffffffffffff; backbone ViT-B/16" in text
    assert "H-CLIP ViT-B/16: arXiv:2405.18840, CVPR 2025." in text
    assert text.count("CAT-Seg ViT-B/16: ") == 1  # its figure by the other formula is no source of the table


def test_figures_of_another_formula_or_backbone() -> None:
    old = Suite((A150,), compare=("H-CLIP",), metric="mIoU_all", name="old")
    assert measured_row(opened(A150), old, "ViT-B/16", report()).difference == pytest.approx({"H-CLIP": -2.4})
    row = measured_row(opened(A150), PAPER, "ViT-L/14", report())
    assert row.published == {"H-CLIP": 38.4, "CAT-Seg": 37.9}
    row = measured_row(opened(A150), PAPER, "", report())
    assert (row.published, row.difference) == ({}, {})
    assert "H-CLIP" not in markdown(Table(PAPER, {**MODEL, "backbone": ""}, [row]))


def test_a_part_of_a_set_is_compared_with_nothing() -> None:
    row = measured_row(opened(A150, is_official=False), PAPER, "ViT-B/16", report())
    assert row.published["H-CLIP"] == 32.4
    assert row.difference == {}


def test_figures_of_the_file_replace_those_of_the_benchmark() -> None:
    entry = SuiteSet("mine", benchmark="ade20k_150", figures={"H-CLIP": 1.0, "H-CLIP ViT-L/14": 2.0})
    assert published_of(entry, entry.benchmark, PAPER, "ViT-B/16") == {"H-CLIP": 1.0}
    assert published_of(entry, entry.benchmark, PAPER, "ViT-L/14") == {"H-CLIP": 2.0}


@pytest.mark.parametrize(("metric", "mean"), [("mIoU", 50.0), ("mIoU_all", 25.0)])
def test_classes_of_interest(metric: Any, mean: float) -> None:
    entry = SuiteSet("mine", classes_of_interest=("wall", "sky"))
    suite = Suite((entry,), metric=metric)
    row = measured_row(opened(entry), suite, "", report())
    assert row.of_interest == mean
    assert f" {mean:.2f} |" in markdown(Table(suite, MODEL, [row]))


def test_means_by_domain_need_all_sets_of_the_domain() -> None:
    entries = tuple(
        SuiteSet(n, domain=d) for n, d in (("a", "earth"), ("b", "earth"), ("c", "sea"), ("d", "sea"))
    )
    suite = Suite(entries, metric="mIoU_all")
    rows = [measured_row(opened(e), suite, "", report(9, 10.0 * i)) for i, e in enumerate(entries[:3])]
    rows.append(missing_row(entries[3], suite, "", "not prepared"))
    assert domain_means(suite, rows) == {"earth": (5.0, "2 of 2 sets"), "sea": (None, "1 of 2 sets")}
    text = markdown(Table(suite, MODEL, rows))
    assert "| mean of earth |" in text
    assert "- d: not prepared" in text


def test_files_hold_all_figures(tmp_path: Path) -> None:
    suite = Suite((A150, SuiteSet("lost")), compare=("H-CLIP",), name="paper")
    rows = [
        measured_row(opened(A150), suite, "ViT-B/16", report()),
        missing_row(suite.sets[1], suite, "ViT-B/16", "not prepared: nowhere"),
    ]
    compared = {"ade20k_150": Comparison("ade20k_150", 33.0, 31.0, 2.0, 1.0, 3.0, 0.001, 2000)}
    table = Table(suite, MODEL, rows, "other", compared, ["a remark"])
    write_table(tmp_path, table)
    tree = json.loads((tmp_path / "table.json").read_text())
    assert [row["reason"] for row in tree["rows"]] == ["", "not prepared: nowhere"]
    assert tree["rows"][0]["difference"]["H-CLIP"] == pytest.approx(0.6)
    assert tree["model"]["fingerprint"] == "f" * 64
    assert tree["comparisons"]["ade20k_150"]["difference"] == 2.0
    first, second = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert float(first["difference H-CLIP"]) == pytest.approx(0.6)
    assert (float(first["mIoU_low"]), float(first["against_p"])) == (32.0, 0.001)
    assert (second["mIoU"], second["reason"], second["against"]) == ("", "not prepared: nowhere", "")
    text = (tmp_path / "table.md").read_text()
    assert "| 31.00 | +2.00 | +1.00 to +3.00 | < 0.002 |" in " ".join(text.split())
    assert "a remark" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_a_set_without_labelled_pixels_has_no_figures() -> None:
    empty = report() | {"summary": {"mIoU": None, "mIoU_all": None}, "mIoU_interval": None}
    row = measured_row(opened(A150), PAPER, "ViT-B/16", empty)
    assert (row.mIoU, row.difference) == (None, {})
