"""Planted geometry is found again, and what a method keeps is said to be kept."""

import json
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.adapters.energy import tower_energy
from hclip_jax.adapters.methods import make_method
from hclip_jax.analysis.hypersphere.measure import Geometry, measure
from hclip_jax.analysis.hypersphere.report import percent, rows, to_json, to_markdown
from hclip_jax.analysis.hypersphere.rotation import turning
from hclip_jax.config.adapters import TARGETS
from hclip_jax.models.params import Params
from tests.small_models import micro_tuned
from tests.trained import params


def geometry(adapters: Any = None, **fields: Any) -> Geometry:
    """Of the micro model with fresh adapters of a method, or with those given."""
    config, clip = micro_tuned(**fields).adapters, params()["clip"]
    return measure(config, clip, fresh(**fields) if adapters is None else adapters)


def fresh(**fields: Any) -> Params:
    return make_method(micro_tuned(**fields).adapters).init(jax.random.key(0), params()["clip"])


def moved(tree: Params) -> Params:
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: np.asarray(x) + 0.1 * rng.standard_normal(x.shape, np.float32), tree)


def test_a_planted_angle_is_found() -> None:
    angle = np.radians(30)
    block = np.eye(4)
    block[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    found = turning(np.stack([block, 3 * block, np.eye(4)]))
    np.testing.assert_allclose(np.sort(found.angles), [[0, 0, 30, 30]] * 2 + [[0] * 4], atol=1e-6)
    np.testing.assert_allclose(found.distance, [0, 8 * 2, 0], atol=1e-6)  # 3^2 - 1, four times


def test_fresh_adapters_change_nothing() -> None:
    found = geometry()
    for energy in found.energy.values():
        np.testing.assert_allclose(energy.after, energy.before, rtol=1e-5)
    assert found.turned is not None
    assert all(own.turning.angles.max() == 0 for own in found.turned.values())
    assert all(own.turning.distance.max() == 0 for own in found.turned.values())
    assert found.relations is not None
    assert found.relations.between_matrices.max() == found.relations.between_blocks.max() == 0


def test_orthogonal_text_keeps_its_energy_and_free_vision_does_not() -> None:
    found = geometry(moved(fresh()))
    np.testing.assert_allclose(found.energy["text"].relative, 0, atol=1e-5)
    frozen = tower_energy(params()["clip"]["image"])
    want = np.stack([frozen[target] for target in TARGETS], axis=1)
    np.testing.assert_allclose(found.energy["image"].before, want, rtol=1e-5)
    assert np.abs(found.energy["image"].relative).max() > 1e-3
    assert found.turned is not None
    text, image = found.turned["text"], found.turned["image"]
    assert (text.orthogonal, image.orthogonal) == (True, False)
    assert text.turning.distance.max() < 1e-5 < 1e-2 < image.turning.distance.max()
    assert text.turning.angles.max() > 1


def test_a_planted_relation_is_found_where_it_is() -> None:
    adapters = jax.device_get(fresh())
    layer, modality = np.array(adapters["layer"]), np.array(adapters["modality"])
    layer[0, 5], modality[1, 0, -1] = 0.5, -0.25  # layer 1's q hears of layer 2's k; text of the image tower
    found = geometry({**adapters, "layer": layer, "modality": modality}).relations
    assert found is not None
    assert found.layer[0, 5] == 0.5
    np.testing.assert_allclose(found.between_matrices, [0.5, 0, 0])
    np.testing.assert_allclose(found.between_blocks, [0, 0.25, 0])
    np.testing.assert_allclose(found.between_towers("text", "image"), [0, 0.25, 0])
    assert found.between_towers("image", "text").max() == 0
    assert found.cross_share == 1


@pytest.mark.parametrize("method", ["lora", "attention", "oft", "boft"])
def test_methods_without_blocks_or_relations_leave_those_sections_out(method: str) -> None:
    found = geometry(moved(fresh(method=method)), method=method)
    assert (found.turned is None) == (method != "oft")
    assert found.relations is None
    assert np.abs(found.energy["image"].relative).max() > 1e-4
    tree = json.loads(to_json(found, "here", "there"))
    assert (tree["rotation"] is None) == (method != "oft")
    assert "No relations" in to_markdown(found, "there", [])


def test_networks_as_relations_start_without_a_slope() -> None:
    assert not geometry(relation="mlp").relations.layer.any()
    assert geometry(moved(fresh(relation="mlp")), relation="mlp").relations.layer.max() > 0


def test_blocks_that_collapse_a_matrix_are_told_of() -> None:
    adapters = jax.device_get(fresh())
    vision = np.array(adapters["vision"])
    vision[0] = 0  # all neurons of the first layer at the origin
    found = geometry({**adapters, "vision": vision, "modality": np.array(adapters["modality"])})
    table = {name: cells for name, *cells in rows(found)}
    assert table["energy of the tower, change"] == ["0.000 %", "not finite"]
    assert table["energy of a matrix, largest change"][1] == "not finite"
    assert json.loads(to_json(found, "here", "there"))["energy"]["image"]["after"][0] == [None] * 4


def test_the_table_and_the_json_say_what_was_measured() -> None:
    found = geometry(moved(fresh()))
    table = {name: cells for name, *cells in rows(found)}
    assert table["energy of the tower, change"][0] == "0.000 %"
    assert "(layer" in table["rotation, largest angle"][1]
    tree = json.loads(to_json(found, "here", "there"))
    assert found.turned is not None
    angles, rotation = found.turned["text"].turning.angles, tree["rotation"]["text"]
    np.testing.assert_allclose(rotation["largest_angle"], angles.max(axis=3), rtol=1e-6)
    np.testing.assert_allclose(rotation["median_angle"], np.median(angles, axis=3), rtol=1e-6)
    assert tree["relations"]["blocks"] == ["text"] * 2 + ["image"] * 2
    assert tree["relations"]["layers"] == [1, 2, 3]
    np.testing.assert_allclose(tree["energy"]["image"]["after"], found.energy["image"].after, rtol=1e-6)
    assert "![a.png](a.png)" in to_markdown(found, "there", ["a.png"])


def test_percent_has_a_sign_unless_it_is_nothing() -> None:
    assert [percent(x) for x in (0.0012, -0.5, 1e-9, -1e-9)] == [
        "+0.120 %",
        "-50.000 %",
        "0.000 %",
        "0.000 %",
    ]
