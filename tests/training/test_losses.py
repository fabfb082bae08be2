from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.training.losses import absent_class_loss, pixel_weights, segmentation_loss
from tests import tolerance

RNG = np.random.default_rng(0)
B, T, SIZE = 2, 3, 4
LOGITS = RNG.standard_normal((B, T, SIZE, SIZE)).astype(np.float32)
LABELS = {
    "some": RNG.integers(-1, T, (B, SIZE, SIZE)).astype(np.int32),
    "every": RNG.integers(0, T, (B, SIZE, SIZE)).astype(np.int32),
    "one": np.where(np.arange(B * SIZE * SIZE) == 5, 1, -1).reshape(B, SIZE, SIZE).astype(np.int32),
    "no": np.full((B, SIZE, SIZE), -1, np.int32),
}


def loss_and_gradient(logits: np.ndarray, labels: np.ndarray, unlabeled: str) -> tuple[float, np.ndarray]:
    """The loss and its gradient by definition, in float64."""
    up = interpolation(labels.shape[1], logits.shape[2])
    probs = 1 / (1 + np.exp(-np.einsum("ij,btjk,lk->btil", up, logits.astype(np.float64), up)))
    one_hot = labels[:, None] == np.arange(T)[None, :, None, None]
    counted = np.ones(labels.shape, bool) if unlabeled == "negative" else labels >= 0
    weights = counted[:, None] / max(1, T * counted.sum())
    loss = -(np.log(np.where(one_hot, probs, 1 - probs)) * weights).sum()
    return loss, np.einsum("ij,btil,lk->btjk", up, (probs - one_hot) * weights, up)


def loss_of(logits: Any, labels: Any, unlabeled: str) -> Any:
    labels = jnp.asarray(labels)
    return segmentation_loss(jnp.asarray(logits), labels, pixel_weights(labels, T, unlabeled))


def interpolation(new: int, old: int) -> np.ndarray:
    """Weights [new, old] of bilinear half-pixel interpolation on one axis."""
    position = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(old)))


@pytest.mark.parametrize("size", [SIZE, 2, 1])
@pytest.mark.parametrize("labeled", ["some", "every", "one", "no"])
@pytest.mark.parametrize("unlabeled", ["negative", "ignore"])
def test_loss_and_gradient_by_definition(unlabeled: str, labeled: str, size: int) -> None:
    """Also where the logits are smaller than the labels, and for a cotangent other than 1."""
    logits, labels = LOGITS[:, :, :size, :size], LABELS[labeled]
    loss, vjp = jax.vjp(jax.jit(lambda x: loss_of(x, labels, unlabeled)), logits)
    want_loss, want_gradient = loss_and_gradient(logits, labels, unlabeled)
    np.testing.assert_allclose(loss, want_loss, rtol=1e-5)
    for cotangent in (1.0, -2.5):
        (gradient,) = vjp(np.float32(cotangent))
        tolerance.assert_close(gradient, cotangent * want_gradient, atol=1e-7)


def test_the_cases_differ() -> None:
    """Labels with and without unlabeled pixels, on which the two modes give different gradients."""
    assert 0 < (LABELS["some"] < 0).sum() < LABELS["some"].size
    _, negative = loss_and_gradient(LOGITS, LABELS["some"], "negative")
    _, ignore = loss_and_gradient(LOGITS, LABELS["some"], "ignore")
    assert np.abs(negative - ignore).max() > 1e-3


def test_no_labeled_pixel_gives_no_loss_and_no_gradient() -> None:
    loss = jax.jit(jax.value_and_grad(loss_of), static_argnums=2)
    value, gradient = loss(LOGITS, LABELS["no"], "ignore")
    assert value == 0
    assert (gradient == 0).all()
    assert loss(LOGITS, LABELS["no"], "negative")[0] > 0


def test_large_logits_have_a_finite_loss_and_gradient() -> None:
    loss = jax.jit(jax.value_and_grad(loss_of), static_argnums=2)
    value, gradient = loss(1e4 * LOGITS, LABELS["some"], "negative")
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("unlabeled", ["negative", "ignore"])
def test_padded_and_reordered_classes(unlabeled: str) -> None:
    """Padding, whose id is negative as that of unlabeled pixels, takes part in nothing."""
    labels, order = jnp.asarray(LABELS["some"]), [2, 0, 1]
    padding = np.full((B, 1, SIZE, SIZE), 7, np.float32)
    logits = np.concatenate([padding, LOGITS[:, order]], axis=1)
    class_ids = jnp.asarray(np.tile(np.array([-1, *order], np.int32), (B, 1)))
    weights = pixel_weights(labels, T, unlabeled)
    loss, gradient = jax.value_and_grad(segmentation_loss)(jnp.asarray(logits), labels, weights, class_ids)
    want_loss, want_gradient = loss_and_gradient(LOGITS, LABELS["some"], unlabeled)
    np.testing.assert_allclose(loss, want_loss, rtol=1e-5)
    tolerance.assert_close(gradient[:, 1:], want_gradient[:, order], atol=1e-7)
    assert (gradient[:, 0] == 0).all()


@pytest.mark.parametrize("unlabeled", ["negative", "ignore"])
def test_classes_that_were_not_selected(unlabeled: str) -> None:
    """The loss of the selected classes and of the others is that of logits of -100 for the others."""
    labels, selected = jnp.asarray(LABELS["some"]), jnp.array([[0, 2], [1, 2]], jnp.int32)
    whole = np.full_like(LOGITS, -100)
    for image, ids in enumerate(selected):
        whole[image, ids] = LOGITS[image, ids]
    weights = pixel_weights(labels, T, unlabeled)
    chosen = jnp.take_along_axis(jnp.asarray(LOGITS), selected[:, :, None, None], axis=1)
    loss = segmentation_loss(chosen, labels, weights, selected)
    loss = loss + absent_class_loss(labels, weights, selected, None)
    np.testing.assert_allclose(loss, loss_of(whole, labels, unlabeled), rtol=1e-5)
