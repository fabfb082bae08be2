import jax
import numpy as np
import pytest

from hclip_jax.training.losses import segmentation_loss

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((2, 3, 4, 4)).astype(np.float32)
LABELS = RNG.integers(-1, 3, (2, 4, 4)).astype(np.int32)


def by_definition(ignore: str) -> float:
    total, count = 0.0, 0
    for b, y, x in np.ndindex(2, 4, 4):
        if LABELS[b, y, x] < 0 and ignore == "ignore":
            continue
        for t in range(3):
            p = 1 / (1 + np.exp(-float(LOGITS[b, t, y, x])))
            total -= np.log(p if LABELS[b, y, x] == t else 1 - p)
            count += 1
    return total / count


@pytest.mark.parametrize("ignore", ["negative", "ignore"])
def test_by_definition(ignore: str) -> None:
    assert (LABELS < 0).any()
    loss = jax.jit(segmentation_loss, static_argnums=2)(LOGITS, LABELS, ignore)
    np.testing.assert_allclose(loss, by_definition(ignore), rtol=1e-5)


def test_logits_are_resized_to_the_labels() -> None:
    coarse = LOGITS[:, :, :1, :1]
    spread = np.broadcast_to(coarse, LOGITS.shape)
    loss = jax.jit(segmentation_loss, static_argnums=2)
    np.testing.assert_allclose(loss(coarse, LABELS, "negative"), loss(spread, LABELS, "negative"), rtol=1e-6)


def test_no_labelled_pixel_at_all() -> None:
    nothing = np.full_like(LABELS, -1)
    loss = jax.jit(jax.value_and_grad(segmentation_loss), static_argnums=2)
    value, gradient = loss(LOGITS, nothing, "ignore")
    assert value == 0
    assert (gradient == 0).all()
    assert loss(LOGITS, nothing, "negative")[0] > 0


def test_huge_logits_stay_finite() -> None:
    value = jax.jit(segmentation_loss, static_argnums=2)(1e4 * LOGITS, LABELS, "negative")
    assert np.isfinite(value)
