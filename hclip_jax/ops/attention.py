"""Softmax attention of both towers and the head."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend


def attend(
    query: Float[Array, "*batch N K c"],
    key: Float[Array, "*batch S K c"],
    value: Float[Array, "*batch S K c"],
    bias: Float[Array, "..."] | None = None,
) -> Float[Array, "*batch N K c"]:
    """Multi-head attention softmax(query key^T / sqrt(c) + bias) value; the softmax is computed in float32.

    `jax.nn.dot_product_attention` does not fit: it has one batch axis, over which the bias of each window
    would have to be repeated.

    Args:
        query: N tokens, K heads of c channels each.
        key: S tokens.
        value: S tokens.
        bias: float32, broadcastable to [*batch, K, N, S]; -inf hides a token. It gets no gradient.

    Returns:
        In the dtype of `value`.
    """
    if backend.on_cpu():
        return _attend_channels_first(query, key, value, bias)
    logits = _einsum("...NKc,...SKc->...KNS", query * query.shape[-1] ** -0.5, key)
    if bias is not None:
        logits = logits + jax.lax.stop_gradient(bias)
    probs = jax.nn.softmax(logits).astype(value.dtype)
    return _einsum("...KNS,...SKc->...NKc", probs, value).astype(value.dtype)


def _einsum(equation: str, a: Array, b: Array) -> Array:
    return jnp.einsum(equation, a, b, preferred_element_type=jnp.float32)


def _attend_channels_first(query: Array, key: Array, value: Array, bias: Array | None) -> Array:
    """`attend` in the layout of `_attend_cpu`."""
    query, value = (jnp.moveaxis(x, -3, -1) for x in (query, value))
    bias = None if bias is None else bias.swapaxes(-1, -2)
    return jnp.moveaxis(_attend_cpu(query, key.swapaxes(-2, -3), value, bias), -1, -3)


@jax.custom_vjp
def _attend_cpu(query: Array, key: Array, value: Array, bias: Array | None) -> Array:
    """`attend` with the layout and the gradient that are fastest on CPUs.

    Logits have the keys before the queries: XLA on CPUs is slow at a maximum over the last axis and fast over
    the one before. Its products of many small matrices are fastest where the first is summed over its last
    axis and the second over its first, so queries and values have the channels first.

    With probs = softmax(logits) over the keys and out = sum of probs * value:

        dvalue  = dout probs^T
        dlogits = probs * (dprobs - sum over keys of probs * dprobs),  dprobs = value^T dout
        dquery  = key^T dlogits / sqrt(c)
        dkey    = dlogits query^T / sqrt(c)

    The sum over the S keys in dlogits equals the sum over the c channels of dout * out, which is shorter.

    Args:
        query: [*batch, K, c, N].
        key: [*batch, K, S, c], S tokens.
        value: [*batch, K, c, S].
        bias: float32, broadcastable to [*batch, K, S, N].

    Returns:
        [*batch, K, c, N].
    """
    return _attend_fwd(query, key, value, bias)[0]


def _attend_fwd(
    query: Array, key: Array, value: Array, bias: Array | None
) -> tuple[Array, tuple[Array, ...]]:
    query = query * key.shape[-1] ** -0.5
    logits = _einsum("...Sc,...cN->...SN", key, query)
    if bias is not None:
        logits = logits + bias
    weights = jnp.exp(logits - logits.max(-2, keepdims=True))
    weight_sum = weights.sum(-2, keepdims=True)  # probs = weights / weight_sum
    weights = weights.astype(value.dtype)
    # Divided after the product, where a query has c numbers instead of S.
    out = _einsum("...cS,...SN->...cN", value, weights) / weight_sum
    return out.astype(value.dtype), (query, key, value, weights, weight_sum, out)


def _attend_bwd(saved: tuple[Array, ...], dout: Array) -> tuple[Array, Array, Array, None]:
    query, key, value, weights, weight_sum, out = saved
    dtype = value.dtype
    dout = dout.astype(jnp.float32) / weight_sum  # so that `weights` stands for probs below
    dout_out = (dout * out).sum(-2, keepdims=True)
    dout = dout.astype(dtype)
    dvalue = _einsum("...SN,...cN->...Sc", weights, dout).swapaxes(-1, -2)
    dlogits = weights.astype(jnp.float32) * (_einsum("...cS,...cN->...SN", value, dout) - dout_out)
    dlogits = dlogits.astype(dtype)
    dquery = _einsum("...Sc,...SN->...cN", key, dlogits) * key.shape[-1] ** -0.5
    dkey = _einsum("...SN,...cN->...Sc", dlogits, query)  # the saved query is divided by sqrt(c)
    return dquery.astype(dtype), dkey.astype(dtype), dvalue.astype(dtype), None


_attend_cpu.defvjp(_attend_fwd, _attend_bwd)
