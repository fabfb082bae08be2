"""JSON and tables hold the measures, with null and "not finite" where there is no number."""

import json
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.adapters.methods import make_method
from hclip_jax.analysis.hypersphere.measure import HypersphereMeasures, measure
from hclip_jax.analysis.hypersphere.report import percent, table_rows, to_json, to_markdown
from tests.small_models import micro, micro_tuned
from tests.trained import params


@cache
def trained_measures() -> HypersphereMeasures:
    return measure(micro().adapters, params()["clip"], params()["adapters"])


def table(measures: HypersphereMeasures) -> dict[str, list[str]]:
    return {name: cells for name, *cells in table_rows(measures)}


def to_tree(measures: HypersphereMeasures) -> dict[str, Any]:
    return json.loads(to_json(measures, "model", "source"))


def test_the_table_names_the_largest_values() -> None:
    rows = table(trained_measures())
    assert rows["energy of the tower, change"][0] == "0.000 %"
    assert "(layer" in rows["rotation, largest angle"][1]


def test_json_holds_the_measures() -> None:
    measures = trained_measures()
    tree = to_tree(measures)
    assert measures.rotations is not None
    angles, rotation = measures.rotations["text"].angles, tree["rotation"]["text"]
    np.testing.assert_allclose(rotation["largest_angle"], angles.max(axis=3), rtol=1e-6)
    np.testing.assert_allclose(rotation["median_angle"], np.median(angles, axis=3), rtol=1e-6)
    assert tree["relations"]["block_towers"] == ["text"] * 2 + ["image"] * 2
    assert tree["relations"]["layers"] == [1, 2, 3]
    assert set(tree["relations"]["cross_tower_norm"]) == {"text_from_image", "image_from_text"}
    np.testing.assert_allclose(tree["energy"]["image"]["after"], measures.energy["image"].after, rtol=1e-6)


def test_markdown_shows_the_plots() -> None:
    assert "![a.png](a.png)" in to_markdown(trained_measures(), "source", ["a.png"])


@pytest.mark.parametrize("method", ["lora", "none"])
def test_missing_sections_are_null_and_explained(method: str) -> None:
    config = micro_tuned(method=method).adapters
    adapters = make_method(config).init(jax.random.key(0), params()["clip"])
    measures = measure(config, params()["clip"], adapters)
    tree = to_tree(measures)
    assert tree["rotation"] is None
    assert tree["relations"] is None
    markdown = to_markdown(measures, "source", [])
    assert "No relations" in markdown
    assert f"No rotation angles: {method}" in markdown


def test_blocks_that_collapse_a_matrix_are_reported_as_not_finite() -> None:
    adapters = params()["adapters"]
    vision = np.array(adapters["vision"])
    vision[0] = 0  # all neurons of the first layer are moved to the origin
    modality, layer = np.array(adapters["modality"]), np.array(adapters["layer"])
    modality[:], layer[:] = np.eye(modality.shape[-1]), np.eye(len(layer))
    collapsed = {**adapters, "vision": vision, "modality": modality, "layer": layer}
    measures = measure(micro().adapters, params()["clip"], collapsed)
    rows = table(measures)
    assert rows["energy of the tower, change"] == ["0.000 %", "not finite"]
    assert rows["energy of a matrix, largest change"][1] == "not finite"
    assert to_tree(measures)["energy"]["image"]["after"][0] == [None] * 4


def test_percent_has_a_sign_unless_it_rounds_to_zero() -> None:
    assert [percent(x) for x in (0.0012, -0.5, 1e-9, -1e-9)] == [
        "+0.120 %",
        "-50.000 %",
        "0.000 %",
        "0.000 %",
    ]
