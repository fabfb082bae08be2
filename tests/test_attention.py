import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.attention import attend
from tests import tolerance
from tests.gradients import value_and_gradients

KEYS = jax.random.split(jax.random.key(0), 4)
QUERY = jax.random.normal(KEYS[0], (2, 3, 7, 5))
KEY, VALUE = (jax.random.normal(key, (2, 3, 9, 5)) for key in KEYS[1:3])
HIDDEN = jnp.where(jnp.tri(7, 9, 2, dtype=bool).T, 0.0, -jnp.inf)[None, None]


def plain(query: Array, key: Array, value: Array, bias: Array) -> Array:
    """By definition, queries first."""
    logits = jnp.einsum("BKNc,BKMc->BKNM", query, key) / np.sqrt(5).astype(np.float32)
    return jnp.einsum("BKNM,BKMd->BKNd", jax.nn.softmax(logits + bias.swapaxes(2, 3)), value)


@pytest.mark.parametrize("bias", [jnp.zeros((1, 1, 1, 1)), HIDDEN, HIDDEN[:, :, ::-1, ::-1]])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_value_and_gradients_are_the_plain_ones(bias: Array, scale: float) -> None:
    """With logits of hundreds as well, of which only the differences count."""
    ours, theirs = (
        value_and_gradients(lambda q, k, v, f=f: f(q, k, v, bias), scale * QUERY, KEY, VALUE)
        for f in (attend, plain)
    )
    tolerance.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_bfloat16_has_the_softmax_of_float32() -> None:
    half = [x.astype(jnp.bfloat16) for x in (QUERY, KEY, VALUE)]
    got = value_and_gradients(lambda *a: attend(*a, HIDDEN), *half)
    assert {leaf.dtype for leaf in jax.tree.leaves(got)} == {jnp.dtype(jnp.bfloat16)}
    want = value_and_gradients(lambda *a: attend(*a, HIDDEN), *(x.astype(jnp.float32) for x in half))
    for own, exact in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        tolerance.assert_within(own.astype(jnp.float32), exact, 0.03)
