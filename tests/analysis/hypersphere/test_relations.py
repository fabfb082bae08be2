"""The slope of relations that are networks is that of `mix`, by automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.adapters.relations import align_layers, mix
from hclip_jax.adapters.targets import select_targets
from hclip_jax.analysis.hypersphere.relations import Relations, measure_relations
from hclip_jax.models.params import Params
from tests.small_models import micro_tuned
from tests.trained import params

CONFIG = micro_tuned(relation="mlp", layers=(1, 2)).adapters  # no place without a layer
S, J, M, M_TEXT = 2, 4, 4, 2
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def adapters(layer: Array, modality: Array) -> Params:
    """With positive blocks, which pass a ReLU as they are."""
    text, vision = jnp.abs(normal(S, J, M_TEXT, 8, 8)), jnp.abs(normal(S, J, M - M_TEXT, 8, 8))
    return {"text": text, "vision": vision, "layer": layer, "modality": modality, "alpha": normal(M, S)}


def measured(own: Params) -> Relations:
    found = measure_relations(CONFIG, params()["clip"], own)
    assert found is not None
    return found


def moved(own: Params, direction: Array) -> Array:
    """[S, J, M], by how much more than `direction` [S, J, M] the mixed blocks move, mean of their entries."""
    at = align_layers(select_targets(params()["clip"], CONFIG))

    def mixed(text: Array, vision: Array) -> Array:
        relations = {name: own[name] for name in ("modality", "layer", "alpha")}
        return jnp.concatenate([*mix({"text": text, "image": vision}, at, **relations).values()], axis=2)

    wide = jnp.broadcast_to(direction[..., None, None], (S, J, M, 8, 8))
    _, change = jax.jvp(mixed, (own["text"], own["vision"]), (wide[:, :, :M_TEXT], wide[:, :, M_TEXT:]))
    return change.mean(axis=(3, 4)) - direction


def test_layer_relation() -> None:
    # What leaves the first network is positive, so that the second, an identity, passes it on.
    layer = jnp.stack([normal(S * J, S * J), jnp.abs(normal(S * J, S * J))])
    own = adapters(layer, jnp.broadcast_to(jnp.eye(M), (2, S, M, M)))
    found = measured(own)
    for column in range(S * J):
        direction = jnp.zeros((S * J, M)).at[column].set(1.0).reshape(S, J, M)
        want = jnp.sqrt(jnp.mean(moved(own, direction) ** 2, axis=2)).reshape(-1)
        np.testing.assert_allclose(found.layer[:, column], want, rtol=1e-4, atol=1e-5)


def test_modality_relation() -> None:
    modality = normal(2, S, M, M)
    own = adapters(jnp.broadcast_to(jnp.eye(S * J), (2, S * J, S * J)), modality)
    found = measured(own)
    for column in range(M):
        direction = jnp.zeros((S, J, M)).at[:, :, column].set(1.0)
        want = jnp.sqrt(jnp.mean(moved(own, direction) ** 2, axis=1))
        np.testing.assert_allclose(found.modality[:, :, column], want, rtol=1e-4, atol=1e-5)


def test_without_pop_the_blocks_are_those_it_starts_with() -> None:
    alone = micro_tuned(relation="mlp", layers=(1, 2), parts=("dcrc",), orthogonal=()).adapters
    own = adapters(normal(2, S * J, S * J), normal(2, S, M, M))
    relations = {name: own[name] for name in ("modality", "layer", "alpha")}
    start = jnp.broadcast_to(jnp.eye(8), (S, J, 2, 8, 8))
    both = micro_tuned(relation="mlp", layers=(1, 2), orthogonal=()).adapters
    clip = params()["clip"]
    want = measure_relations(both, clip, {**relations, "text": start, "vision": start})
    found = measure_relations(alone, clip, relations)
    assert want is not None
    assert found is not None
    np.testing.assert_array_equal(found.layer, want.layer)
    assert found.layer.any()
