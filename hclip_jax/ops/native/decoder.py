"""The decoder of the head as a native kernel, with its gradient."""

import functools
from typing import Any

import jax
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops.native.call import call_kernel, norm_shapes, operand, operands_of, split_like

Weights = tuple[Array, ...]
Shared = tuple[Array, Array]
Groups = tuple[int, int]

_SLOTS = 32
"""Accumulators of gradients that are summed over classes, 2.6 MB each at the published sizes.

Their number decides how many threads can work, and the order of sums, whatever the number of threads.
"""


def decoder(
    x: Float[Array, "B T h w C"],
    steps: tuple[tuple[Array, Array], ...],
    params: Any,
    groups: tuple[int, int],
) -> Float32[Array, "B T 4*h 4*w"]:
    """`Decoder` of two steps.

    Args:
        x: aggregated costs of T classes.
        steps: the `StepGuidance` of each step.
        params: parameters of the module.
        groups: channels of a group of each step's normalizations.

    Raises:
        ValueError: arrays do not fit together.
    """
    batch, _, h, w, channels = x.shape
    weights: list[Array] = []
    shared: list[Array] = []
    for i, step in enumerate(steps, start=1):
        features = step[0].shape[-1]
        weights.append(operand(step[0], (4, 4, channels, features)))
        weights += operands_of(params[f"step{i}"], _shapes(features))
        shared.append(operand(step[1], (batch, 2**i * h, 2**i * w, features)))
        channels = features
    logit, bias = operands_of(params["logit"], {"kernel": (3, 3, channels, 1), "bias": (1,)})
    return _decoder(operand(x, x.shape), (shared[0], shared[1]), (*weights, logit), bias, groups)


def _shapes(features: int) -> dict[str, tuple[int, ...]]:
    conv2 = {"conv2/kernel": (3, 3, features, features)}
    return {**norm_shapes("norm1", features), **conv2, **norm_shapes("norm2", features)}


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _decoder(x: Array, shared: Shared, weights: Weights, bias: Array, groups: Groups) -> Array:
    """The kernel: `weights` in the order of its arguments, `bias` of the logits."""
    shape = (*x.shape[:2], 4 * x.shape[2], 4 * x.shape[3])
    operands = (*_operands(x, shared, weights), bias)
    (y,) = call_kernel("hclip_jax_decoder", [shape], operands, _attributes(groups))
    return y


def _decoder_fwd(
    x: Array, shared: Shared, weights: Weights, bias: Array, groups: Groups
) -> tuple[Array, tuple[Array, Shared, Weights]]:
    return _decoder(x, shared, weights, bias, groups), (x, shared, weights)


def _decoder_bwd(
    groups: Groups, saved: tuple[Array, Shared, Weights], dy: Array
) -> tuple[Array, Shared, Weights, Array]:
    """Computes the forward pass of each class again, so nothing but the inputs is saved."""
    x, shared, weights = saved
    shapes = [x.shape, *(s.shape for s in shared), (sum(w.size for w in weights),)]
    operands = (*_operands(x, shared, weights), dy)
    attributes = {**_attributes(groups), "slots": _SLOTS}
    dx, *dshared, dweights = call_kernel("hclip_jax_decoder_gradient", shapes, operands, attributes)
    return dx, (dshared[0], dshared[1]), split_like(dweights, weights), dy.sum().reshape(1)


_decoder.defvjp(_decoder_fwd, _decoder_bwd)


def _operands(x: Array, shared: Shared, weights: Weights) -> tuple[Array, ...]:
    """The arrays of both kernels, each step's with its part of `shared` after its first kernel."""
    kernel1, *rest = weights
    return (x, kernel1, shared[0], *rest[:6], shared[1], *rest[6:])


def _attributes(groups: Groups) -> dict[str, int]:
    return {"group1": groups[0], "group2": groups[1]}
