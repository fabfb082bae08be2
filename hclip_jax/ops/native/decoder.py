"""The decoder of the head as a native kernel."""

from typing import Any

from jax import Array
from jaxtyping import Float32

from hclip_jax.ops.native.call import call_kernel, norm_params


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
    operands: list[Array] = [x]
    for i, (kernel, shared) in enumerate(steps, start=1):
        p = params[f"step{i}"]
        operands += [kernel, shared, *norm_params(p["norm1"]), p["conv2"]["kernel"], *norm_params(p["norm2"])]
    operands += [params["logit"]["kernel"], params["logit"]["bias"]]
    shape = (*x.shape[:2], 4 * x.shape[2], 4 * x.shape[3])
    (y,) = call_kernel(
        "hclip_jax_decoder", [shape], tuple(operands), {"group1": groups[0], "group2": groups[1]}
    )
    return y
