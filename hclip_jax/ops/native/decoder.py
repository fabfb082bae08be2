"""The decoder of the head as a native kernel, with its gradient."""

import functools
from typing import Any

import jax
from jax import Array
from jaxtyping import Float32

from hclip_jax.ops.native.call import call_kernel, norm_params, split_like

Weights = tuple[Array, ...]
Shared = tuple[Array, Array]
Groups = tuple[int, int]

_SLOTS = 32
"""Accumulators of gradients that are summed over classes, 2.6 MB each at the published sizes.

Their number decides how many threads can work, and the order of sums, whatever the number of threads.
"""


def decoder(
    x: Float32[Array, "B T h w C"],
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
    """
    weights: list[Array] = []
    for i, (kernel, _) in enumerate(steps, start=1):
        p = params[f"step{i}"]
        weights += [kernel, *norm_params(p["norm1"]), p["conv2"]["kernel"], *norm_params(p["norm2"])]
    logit = params["logit"]
    shared = (steps[0][1], steps[1][1])
    return _decoder(x, shared, (*weights, logit["kernel"]), logit["bias"], groups)


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
