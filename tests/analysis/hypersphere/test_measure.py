"""Known changes of a model are measured."""

from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.adapters.energy import tower_energy
from hclip_jax.adapters.methods import make_method
from hclip_jax.analysis.hypersphere.measure import HypersphereMeasures, measure
from hclip_jax.config.adapters import TARGETS
from hclip_jax.models.params import Params
from tests.small_models import micro_tuned
from tests.trained import params


def measured(adapter_params: Any = None, **fields: Any) -> HypersphereMeasures:
    """Measures of the micro model with initial or given adapters; `fields` change `config.adapters`."""
    config, clip = micro_tuned(**fields).adapters, params()["clip"]
    return measure(config, clip, initial(**fields) if adapter_params is None else adapter_params)


def initial(**fields: Any) -> Params:
    return make_method(micro_tuned(**fields).adapters).init(jax.random.key(0), params()["clip"])


def noisy(tree: Params) -> Params:
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: np.asarray(x) + 0.1 * rng.standard_normal(x.shape, np.float32), tree)


def test_initial_adapters_change_nothing() -> None:
    measures = measured()
    for energy in measures.energy.values():
        np.testing.assert_allclose(energy.after, energy.before, rtol=1e-5)
    assert measures.rotations is not None
    assert all(tower.angles.max() == 0 for tower in measures.rotations.values())
    assert all(tower.orthogonality_error.max() == 0 for tower in measures.rotations.values())
    assert measures.relations is not None
    assert measures.relations.layer_norms.max() == measures.relations.modality_norms.max() == 0


def test_orthogonal_blocks_preserve_the_text_energy_and_free_blocks_do_not() -> None:
    measures = measured(noisy(initial()))
    np.testing.assert_allclose(measures.energy["text"].relative, 0, atol=1e-5)
    before = tower_energy(params()["clip"]["image"])
    expected = np.stack([before[target] for target in TARGETS], axis=1)
    np.testing.assert_allclose(measures.energy["image"].before, expected, rtol=1e-5)
    assert np.abs(measures.energy["image"].relative).max() > 1e-3
    assert measures.rotations is not None
    text, image = measures.rotations["text"], measures.rotations["image"]
    assert (text.orthogonal, image.orthogonal) == (True, False)
    assert text.orthogonality_error.max() < 1e-5 < 1e-2 < image.orthogonality_error.max()
    assert text.angles.max() > 1


def test_single_entries_of_the_relations_are_measured() -> None:
    adapters = jax.device_get(initial())
    layer, modality = np.array(adapters["layer"]), np.array(adapters["modality"])
    layer[0, 5] = 0.5  # weight of layer 2's k in layer 1's q
    modality[1, 0, -1] = -0.25  # weight of an image block in a text block
    relations = measured({**adapters, "layer": layer, "modality": modality}).relations
    assert relations is not None
    assert relations.layer[0, 5] == 0.5
    np.testing.assert_allclose(relations.layer_norms, [0.5, 0, 0])
    np.testing.assert_allclose(relations.modality_norms, [0, 0.25, 0])
    np.testing.assert_allclose(relations.cross_tower_norms("text", "image"), [0, 0.25, 0])
    assert relations.cross_tower_norms("image", "text").max() == 0
    assert relations.cross_tower_share == 1


@pytest.mark.parametrize("method", ["lora", "attention", "oft", "boft"])
def test_methods_without_blocks_or_relations_have_no_such_measures(method: str) -> None:
    measures = measured(noisy(initial(method=method)), method=method)
    assert (measures.rotations is None) == (method != "oft")
    assert measures.relations is None
    assert np.abs(measures.energy["image"].relative).max() > 1e-4


def test_network_relations_start_with_a_derivative_of_zero() -> None:
    start, later = measured(relation="mlp"), measured(noisy(initial(relation="mlp")), relation="mlp")
    assert start.relations is not None
    assert later.relations is not None
    assert not start.relations.layer.any()
    assert later.relations.layer.max() > 0
