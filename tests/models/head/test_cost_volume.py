import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.models.head.cost_volume import ABSENT_LOGIT, cost_volume, scatter_class_logits
from hclip_jax.ops.normalization import l2_normalize
from tests import tolerance

DENSE = jax.random.normal(jax.random.key(0), (2, 3, 4, 8))
TEXT = jax.random.normal(jax.random.key(1), (7, 2, 8))


def test_costs_are_cosines() -> None:
    volume = cost_volume(DENSE, 3 * TEXT, most=7)
    assert volume.topk_ids is None
    a, b = np.asarray(DENSE[1, 2, 3]), np.asarray(TEXT[4, 1])
    wanted = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(volume.cost[1, 4, 2, 3, 1], wanted, rtol=1e-5)


def test_the_best_classes_of_each_picture_are_kept() -> None:
    every = cost_volume(DENSE, TEXT, most=7)
    few = cost_volume(DENSE, TEXT, most=3)
    best = np.asarray(every.cost).max((2, 3, 4))
    for picture in range(2):
        kept = np.asarray(few.topk_ids[picture])
        assert set(kept) == set(np.argsort(best[picture])[-3:])
        tolerance.assert_close(few.cost[picture], every.cost[picture][kept])
        tolerance.assert_close(few.text[picture], l2_normalize(TEXT)[kept])


def test_restored_classes_stand_at_their_ids() -> None:
    logits = jax.random.normal(jax.random.key(2), (2, 2, 3, 3))
    kept = jnp.array([[4, 0], [1, 3]])
    restored = scatter_class_logits(logits, kept, 5)
    tolerance.assert_same(restored[0, 4], logits[0, 0])
    tolerance.assert_same(restored[1, 3], logits[1, 1])
    assert (np.asarray(restored[0])[[1, 2, 3]] == ABSENT_LOGIT).all()


@pytest.mark.parametrize("order", [(3, 1, 6, 0, 2, 5, 4)])
def test_order_of_classes_does_not_matter(order: tuple[int, ...]) -> None:
    index = jnp.array(order)
    plain, turned = (cost_volume(DENSE, text, 7).cost for text in (TEXT, TEXT[index]))
    tolerance.assert_same(turned, plain[:, index])


def test_zero_features_have_finite_gradients() -> None:
    assert np.isfinite(jax.grad(lambda x: l2_normalize(x).sum())(jnp.zeros((2, 4)))).all()
