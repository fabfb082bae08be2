from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.models.head.cost_volume import ABSENT_LOGIT, cost_volume, scatter_class_logits
from hclip_jax.ops.normalization import l2_normalize
from tests import tolerance

PATCHES = jax.random.normal(jax.random.key(0), (2, 3, 4, 8))
TEXT = jax.random.normal(jax.random.key(1), (7, 2, 8))


def highest_classes(num_classes: int) -> np.ndarray:
    """Ids of the classes with the highest cosines in each image, highest first, by definition."""
    patches, text = (np.asarray(x) / np.linalg.norm(x, axis=-1, keepdims=True) for x in (PATCHES, TEXT))
    highest = np.einsum("bhwd,tpd->bthwp", patches, text).max((2, 3, 4))
    return np.argsort(-highest, axis=1)[:, :num_classes]


def test_costs_are_cosines() -> None:
    volume = cost_volume(PATCHES, 3 * TEXT, max_classes=7)
    assert volume.class_ids is None
    a, b = np.asarray(PATCHES[1, 2, 3]), np.asarray(TEXT[4, 1])
    want = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(volume.cost[1, 4, 2, 3, 1], want, rtol=1e-5)


def test_the_classes_with_the_highest_cosines_are_selected_for_each_image() -> None:
    every, selected = (cost_volume(PATCHES, TEXT, max_classes=n) for n in (7, 3))
    topk_ids = np.asarray(selected.class_ids)
    np.testing.assert_array_equal(topk_ids, highest_classes(3))
    assert set(topk_ids[0]) != set(topk_ids[1])
    for i, ids in enumerate(topk_ids):
        tolerance.assert_close(selected.cost[i], every.cost[i][ids])
        tolerance.assert_close(selected.text[i], l2_normalize(TEXT)[ids])


@pytest.mark.parametrize("output", ["cost", "text"])
def test_gradients_of_selected_classes_equal_those_without_a_selection(output: str) -> None:
    """Against the cost volume of only those classes, selected by hand."""
    ids = highest_classes(3)
    cotangent = jax.random.normal(jax.random.key(2), getattr(cost_volume(PATCHES, TEXT, 3), output).shape)

    def selected(patches: Array, text: Array) -> Array:
        return (getattr(cost_volume(patches, text, 3), output) * cotangent).sum()

    def by_hand(patches: Array, text: Array) -> Array:
        volumes = [cost_volume(patches[i : i + 1], text[ids[i]], 3) for i in range(2)]
        return (jnp.concatenate([getattr(volume, output) for volume in volumes]) * cotangent).sum()

    got, want = (jax.jit(jax.grad(f, argnums=(0, 1)))(PATCHES, TEXT) for f in (selected, by_hand))
    tolerance.assert_close(got, want, atol=1e-5)
    patches_gradient, text_gradient = (np.abs(g).max((-1, -2)) for g in got)
    assert (patches_gradient > 1e-3).all() == (output == "cost")
    assert set(np.flatnonzero(text_gradient > 1e-3)) == set(ids.ravel())


def test_scattered_logits_are_at_the_ids_of_their_classes() -> None:
    logits = jax.random.normal(jax.random.key(2), (2, 2, 3, 3))
    scattered = scatter_class_logits(logits, jnp.array([[4, 0], [1, 3]]), 5)
    tolerance.assert_same(scattered[0, 4], logits[0, 0])
    tolerance.assert_same(scattered[1, 3], logits[1, 1])
    assert (np.asarray(scattered[0])[[1, 2, 3]] == ABSENT_LOGIT).all()


def test_gradients_of_scattered_logits_are_those_of_the_selected_classes() -> None:
    cotangent: Any = jax.random.normal(jax.random.key(3), (2, 5, 3, 3))
    ids = jnp.array([[4, 0], [1, 3]])
    gradient = jax.grad(lambda x: (scatter_class_logits(x, ids, 5) * cotangent).sum())(
        jnp.zeros((2, 2, 3, 3))
    )
    tolerance.assert_same(gradient, jnp.stack([cotangent[i, ids[i]] for i in range(2)]))


def test_costs_follow_the_order_of_classes() -> None:
    order = jnp.array([3, 1, 6, 0, 2, 5, 4])
    costs, reordered = (cost_volume(PATCHES, text, 7).cost for text in (TEXT, TEXT[order]))
    tolerance.assert_same(reordered, costs[:, order])
