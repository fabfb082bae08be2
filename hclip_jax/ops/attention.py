"""Softmax attention of the whole system, with a gradient of few passes over the weights."""

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_vjp
def attend(query: Array, key: Array, value: Array, bias: Array | None = None) -> Array:
    """Means of `value`, weighted by softmax(query . key / sqrt(c) + bias) over the keys.

    The softmax is that of float32 whatever the dtype. Logits are laid out keys first: XLA on CPUs is slow
    at a maximum over the last axis, and quick over the one before. Its products of many small matrices are
    quickest where the first is summed over its last axis and the second over its first, so of queries and
    values the channels come first.

    Args:
        query: [..., c, N], N >= 1.
        key: [..., M, c].
        value: [..., d, M].
        bias: float32, broadcastable to [..., M, N]; -inf hides a key. It gets no gradient.

    Returns:
        [..., d, N], in the dtype of `value`.
    """
    return _forward(query, key, value, bias)[0]


def _product(equation: str, a: Array, b: Array) -> Array:
    return jnp.einsum(equation, a, b, preferred_element_type=jnp.float32)


def _forward(query: Array, key: Array, value: Array, bias: Array | None) -> tuple[Array, tuple[Array, ...]]:
    query = query * key.shape[-1] ** -0.5
    logits = _product("...Mc,...cN->...MN", key, query)
    if bias is not None:
        logits = logits + bias
    weights = jnp.exp(logits - logits.max(-2, keepdims=True))
    total = weights.sum(-2, keepdims=True)
    weights = weights.astype(value.dtype)
    # Divided after the product, where there are d numbers a query instead of M.
    mean = _product("...dM,...MN->...dN", value, weights) / total
    return mean.astype(value.dtype), (query, key, value, weights, total, mean)


def _backward(saved: tuple[Array, ...], g: Array) -> tuple[Array, Array, Array, None]:
    query, key, value, weights, total, mean = saved
    dtype = value.dtype
    g = g.astype(jnp.float32) / total
    # Of softmax's gradient, p * (p' - sum(p p')), the sum over keys is one over the d of the result.
    along = (g * mean).sum(-2, keepdims=True)
    g = g.astype(dtype)
    to_value = _product("...MN,...dN->...Md", weights, g).swapaxes(-1, -2)
    to_logits = weights.astype(jnp.float32) * (_product("...dM,...dN->...MN", value, g) - along)
    to_logits = to_logits.astype(dtype)
    to_query = _product("...Mc,...MN->...cN", key, to_logits) * key.shape[-1] ** -0.5
    to_key = _product("...MN,...cN->...Mc", to_logits, query)
    return to_query.astype(dtype), to_key.astype(dtype), to_value.astype(dtype), None


attend.defvjp(_forward, _backward)
