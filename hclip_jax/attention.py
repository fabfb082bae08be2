"""Softmax attention of the whole system, with a gradient of few passes over the weights."""

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_vjp
def attend(query: Array, key: Array, value: Array, bias: Array) -> Array:
    """Means of `value`, weighted by softmax(query . key / sqrt(c) + bias) over the keys.

    The softmax is that of float32 whatever the dtype. Logits are laid out keys first: XLA on CPUs is slow
    at a maximum over the last axis, and quick over the one before.

    Args:
        query: [..., N, c], N >= 1.
        key: [..., M, c].
        value: [..., M, d].
        bias: float32, broadcastable to [..., M, N]; -inf hides a key. It gets no gradient.

    Returns:
        [..., N, d], in the dtype of `value`.
    """
    return _forward(query, key, value, bias)[0]


def _product(equation: str, a: Array, b: Array) -> Array:
    return jnp.einsum(equation, a, b, preferred_element_type=jnp.float32)


def _forward(query: Array, key: Array, value: Array, bias: Array) -> tuple[Array, tuple[Array, ...]]:
    query = query * query.shape[-1] ** -0.5
    logits = _product("...Mc,...Nc->...MN", key, query) + bias
    weights = jnp.exp(logits - logits.max(-2, keepdims=True))
    total = weights.sum(-2)[..., None]
    weights = weights.astype(value.dtype)
    # Divided after the product, where there are d numbers a query instead of M.
    mean = _product("...MN,...Md->...Nd", weights, value) / total
    return mean.astype(value.dtype), (query, key, value, weights, total, mean)


def _backward(saved: tuple[Array, ...], g: Array) -> tuple[Array, Array, Array, None]:
    query, key, value, weights, total, mean = saved
    dtype = value.dtype
    g = g.astype(jnp.float32) / total
    # Of softmax's gradient, p * (p' - sum(p p')), the sum over keys is one over the d of the result.
    along = (g * mean) @ jnp.ones((value.shape[-1], 1))
    g = g.astype(dtype)
    to_value = _product("...MN,...Nd->...Md", weights, g)
    to_logits = _product("...Md,...Nd->...MN", value, g) - along.swapaxes(-1, -2)
    to_logits = (weights.astype(jnp.float32) * to_logits).astype(dtype)
    to_query = _product("...MN,...Mc->...Nc", to_logits, key) * key.shape[-1] ** -0.5
    to_key = _product("...MN,...Nc->...Mc", to_logits, query)
    return to_query.astype(dtype), to_key.astype(dtype), to_value.astype(dtype), None


attend.defvjp(_forward, _backward)
