"""The file of published results is complete and unambiguous."""

import json
from pathlib import Path

from hclip_jax.datasets import published
from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.published import FORMULAS, PublishedRow, published_rows
from hclip_jax.io.tables import markdown_table

FILE = Path(published.__file__).with_name("published.json")


def test_the_file_has_exactly_the_fields_of_a_row() -> None:
    content = json.loads(FILE.read_text("utf-8"))
    assert content.keys() == {"note", "rows"}
    for row in content["rows"]:
        assert row.keys() == set(PublishedRow._fields)
        assert all(isinstance(row[field], str) for field in row.keys() - {"miou"})
        assert all(type(value) is float for value in row["miou"].values())


def test_rows() -> None:
    keys = {key for key, dataset in CATALOGUE.items() if dataset.in_paper} - {"coco_stuff_171"}
    for row in published_rows():
        assert row.method
        assert row.backbone
        assert row.formula in FORMULAS
        assert ("arXiv:" in row.source) or row.source.startswith("github.com/")
        assert row.miou
        assert row.miou.keys() <= keys
        assert all(0 < value < 100 for value in row.miou.values())
    names = [(row.name, row.formula) for row in published_rows()]
    assert len(set(names)) == len(names)
    ours = [row for row in published_rows() if row.method in ("H-CLIP", "CAT-Seg")]
    assert all(row.miou.keys() == keys for row in ours if row.formula == "since July 2022")


def test_figures_leave_the_old_formula_out() -> None:
    figures = CATALOGUE["pascal_context_459"].figures
    assert figures["CAT-Seg ViT-B/16"] == 19.0
    assert figures["FC-CLIP ConvNeXt-L"] == 18.2
    old = {row.name: row.miou for row in published_rows() if row.formula == "before July 2022"}
    assert old["CAT-Seg ViT-B/16"] == {"pascal_context_459": 14.65}
    assert list(figures)[:4] == ["H-CLIP ViT-B/16", "H-CLIP ViT-L/14", "CAT-Seg ViT-B/16", "CAT-Seg ViT-L/14"]


def _percent(value: float) -> str:
    return f"{value:.1f}" if round(value, 1) == value else f"{value:g}"


def test_the_table_of_the_documentation() -> None:
    keys = [key for key, dataset in CATALOGUE.items() if dataset.in_paper][1:]
    rows = [
        [
            row.method,
            row.backbone,
            row.trained_on or "not stated",
            row.formula,
            *(_percent(row.miou[key]) if key in row.miou else "-" for key in keys),
        ]
        for row in published_rows()
    ]
    header = ["method", "backbone", "trained on", "formula", "A-847", "PC-459", "A-150", "PC-59", "PAS-20"]
    table = markdown_table([*header, "PAS-20b"], rows, ["left"] * 4 + ["right"] * 6)
    assert table in (Path(__file__).parents[2] / "docs/benchmarks.md").read_text("utf-8"), table
