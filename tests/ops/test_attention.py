import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from hclip_jax.ops.attention import attend
from tests import tolerance
from tests.gradients import value_and_gradients

KEYS = jax.random.split(jax.random.key(0), 3)
QUERY, KEY, VALUE = (
    jax.random.normal(key, shape)
    for key, shape in zip(KEYS, ((2, 3, 5, 7), (2, 3, 9, 5), (2, 3, 4, 9)), strict=True)
)
HIDDEN = jnp.where(jnp.tri(7, 9, 2, dtype=bool).T, 0.0, -jnp.inf)[None, None]


def plain(query: Array, key: Array, value: Array, bias: Array | None) -> Array:
    """By definition, queries first."""
    logits = jnp.einsum("BKcN,BKMc->BKNM", query, key) / np.sqrt(5).astype(np.float32)
    if bias is not None:
        logits = logits + bias.swapaxes(2, 3)
    return jnp.einsum("BKNM,BKdM->BKdN", jax.nn.softmax(logits), value)


@pytest.mark.parametrize("bias", [None, HIDDEN, HIDDEN[:, :, ::-1, ::-1]])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_value_and_gradients_are_the_plain_ones(bias: Array | None, scale: float) -> None:
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
