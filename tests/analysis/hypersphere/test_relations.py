"""Deviations of network relations agree with the derivative of `mix` by automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.adapters.relations import align_layers, mix
from hclip_jax.adapters.targets import select_targets
from hclip_jax.analysis.hypersphere.relations import Relations, measure_relations
from hclip_jax.config.adapters import HClipConfig
from hclip_jax.models.params import Params
from tests.small_models import micro_tuned
from tests.trained import params

CONFIG = micro_tuned(relation="mlp", layers=(1, 2)).adapters  # both towers have all aligned layers
assert isinstance(CONFIG, HClipConfig)
L, J, M, M_TEXT, BLOCK_SIZE = 2, 4, 4, 2, 8
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def adapters_with(layer: Array, modality: Array) -> Params:
    """Adapters with positive blocks, which a ReLU passes unchanged."""
    text, vision = (
        jnp.abs(normal(L, J, M_TEXT, BLOCK_SIZE, BLOCK_SIZE)),
        jnp.abs(normal(L, J, M - M_TEXT, BLOCK_SIZE, BLOCK_SIZE)),
    )
    return {"text": text, "vision": vision, "layer": layer, "modality": modality, "alpha": normal(M, L)}


def measured(adapters: Params) -> Relations:
    relations = measure_relations(CONFIG, params()["clip"], adapters)
    assert relations is not None
    return relations


def derivative(adapters: Params, direction: Array) -> Array:
    """[L, J, M], derivative of (mixed blocks - blocks) along `direction` [L, J, M], mean over the entries."""
    indices = align_layers(select_targets(params()["clip"], CONFIG))

    def mixed(text: Array, vision: Array) -> Array:
        relations = {name: adapters[name] for name in ("modality", "layer", "alpha")}
        return jnp.concatenate([*mix({"text": text, "image": vision}, indices, **relations).values()], axis=2)

    tangent = jnp.broadcast_to(direction[..., None, None], (L, J, M, BLOCK_SIZE, BLOCK_SIZE))
    tangents = tangent[:, :, :M_TEXT], tangent[:, :, M_TEXT:]
    _, change = jax.jvp(mixed, (adapters["text"], adapters["vision"]), tangents)
    return change.mean(axis=(3, 4)) - direction


def test_layer_relation() -> None:
    # The outputs of the first network are positive, so that the second one, an identity, passes them on.
    layer = jnp.stack([normal(L * J, L * J), jnp.abs(normal(L * J, L * J))])
    adapters = adapters_with(layer, jnp.broadcast_to(jnp.eye(M), (2, L, M, M)))
    relations = measured(adapters)
    for column in range(L * J):
        direction = jnp.zeros((L * J, M)).at[column].set(1.0).reshape(L, J, M)
        expected = jnp.sqrt(jnp.mean(derivative(adapters, direction) ** 2, axis=2)).reshape(-1)
        np.testing.assert_allclose(relations.layer[:, column], expected, rtol=1e-4, atol=1e-5)


def test_modality_relation() -> None:
    modality = normal(2, L, M, M)
    adapters = adapters_with(jnp.broadcast_to(jnp.eye(L * J), (2, L * J, L * J)), modality)
    relations = measured(adapters)
    for column in range(M):
        direction = jnp.zeros((L, J, M)).at[:, :, column].set(1.0)
        expected = jnp.sqrt(jnp.mean(derivative(adapters, direction) ** 2, axis=1))
        np.testing.assert_allclose(relations.modality[:, :, column], expected, rtol=1e-4, atol=1e-5)


def test_without_pop_the_blocks_have_their_initial_values() -> None:
    without_pop = micro_tuned(relation="mlp", layers=(1, 2), parts=("dcrc",), orthogonal=()).adapters
    adapters = adapters_with(normal(2, L * J, L * J), normal(2, L, M, M))
    trained = {name: adapters[name] for name in ("modality", "layer", "alpha")}
    start = jnp.broadcast_to(jnp.eye(BLOCK_SIZE), (L, J, 2, BLOCK_SIZE, BLOCK_SIZE))
    with_pop = micro_tuned(relation="mlp", layers=(1, 2), orthogonal=()).adapters
    clip = params()["clip"]
    expected = measure_relations(with_pop, clip, {**trained, "text": start, "vision": start})
    relations = measure_relations(without_pop, clip, trained)
    assert expected is not None
    assert relations is not None
    np.testing.assert_array_equal(relations.layer, expected.layer)
    assert relations.layer.any()
