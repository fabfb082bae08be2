"""The three kernels as JAX functions without gradients: Swin block, class aggregation, decoder.

Each is the operation of a module of models/head, with the module's parameters; channels of a head, of a
decoder step and of the cost volume must be multiples of GRANULE.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops import backend
from hclip_jax.ops.native import library

GRANULE = 32
"""The kernels multiply matrices 32 columns at a time."""


def usable(dtype: Any, *channels: int) -> bool:
    """Whether the kernels are used here for activations of `dtype` with such numbers of channels."""
    return (
        backend.on_cpu()
        and backend.forward_only.value
        and backend.native_kernels.value
        and dtype == jnp.float32
        and all(c and c % GRANULE == 0 for c in channels)
        and library.lanes() > 0
    )


def swin_block(
    x: Float32[Array, "B T h w C"],
    guidance: tuple[Float32[Array, "B 1 windows N C"], Float32[Array, "B 1 windows N C"]],
    params: Any,
    num_heads: int,
    window: tuple[int, int],
    mask: Float[np.ndarray, "windows N N"] | None,
) -> Float32[Array, "B T h w C"]:
    """`SwinBlock`.

    Args:
        x: activations of T classes.
        guidance: of queries and keys.
        params: parameters of the block.
        num_heads: attention heads.
        window: size of the windows, and the number of patches by which they are shifted.
        mask: bias of the logits, for windows that are shifted.
    """
    size, shift = window
    p = params
    operands = (
        x,
        *(g[:, 0] for g in guidance),
        _padded_mask(mask, size * size),
        *_norm(p["norm1"]),
        *(p[name]["x"]["kernel"] for name in ("query", "key")),
        *(p[name][part] for name in ("value", "out") for part in ("kernel", "bias")),
        *_mlp(p),
    )
    attributes = {"heads": num_heads, "size": size, "shift": shift}
    return _call("hclip_jax_swin_block", x.shape, operands, attributes, in_place=True)


def class_aggregation(
    x: Float32[Array, "B T h w C"],
    guidance: tuple[Float32[Array, "B T C"], Float32[Array, "B T C"]],
    class_mask: Float32[Array, "B T"] | None,
    padding: tuple[Float32[Array, "K c"], Float32[Array, "K c c"]] | None,
    params: Any,
    num_heads: int,
    residual: bool,
) -> Float32[Array, "B T h w C"]:
    """`ClassAggregation` of pooled costs, before they are resized to the patch grid.

    Args:
        x: pooled costs of all T classes.
        guidance: of queries and keys.
        class_mask: 1 for a class, 0 for padding.
        padding: sums of the padding tokens' keys, and of their keys times values; None = no tokens.
        params: parameters of the module.
        num_heads: K.
        residual: whether to add x once more, the residual of costs that were not pooled.
    """
    p = params
    mask = jnp.ones(x.shape[:2]) if class_mask is None else class_mask
    c = x.shape[-1] // num_heads
    key_sum, key_value_sum = padding or (jnp.zeros((num_heads, c)), jnp.zeros((num_heads, c, c)))
    operands = (
        x,
        *guidance,
        mask,
        key_sum.reshape(-1),
        key_value_sum,
        *_norm(p["norm1"]),
        *(p[name]["x"]["kernel"] for name in ("query", "key")),
        *(p["value"][part] for part in ("kernel", "bias")),
        *_mlp(p),
    )
    attributes = {"heads": num_heads, "residual": int(residual)}
    return _call("hclip_jax_class_aggregation", x.shape, operands, attributes, in_place=True)


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
        operands += [kernel, shared, *_norm(p["norm1"]), p["conv2"]["kernel"], *_norm(p["norm2"])]
    operands += [params["logit"]["kernel"], params["logit"]["bias"]]
    shape = (*x.shape[:2], 4 * x.shape[2], 4 * x.shape[3])
    return _call("hclip_jax_decoder", shape, tuple(operands), {"group1": groups[0], "group2": groups[1]})


def _norm(params: Any) -> tuple[Array, Array]:
    return params["scale"], params["bias"]


def _mlp(params: Any) -> tuple[Array, ...]:
    return (
        *_norm(params["norm2"]),
        *(params[name][part] for name in ("fc1", "fc2") for part in ("kernel", "bias")),
    )


def _call(
    target: str,
    shape: tuple[int, ...],
    operands: tuple[Any, ...],
    attributes: dict[str, int],
    in_place: bool = False,
) -> Array:
    """Calls a kernel; `in_place`: its result may replace the first operand, if that is not used later."""
    call = jax.ffi.ffi_call(
        library.name_in_programs(target),
        jax.ShapeDtypeStruct(shape, jnp.float32),
        vmap_method="sequential",
        input_output_aliases={0: 0} if in_place else None,
    )
    numbers = {name: np.int64(value) for name, value in attributes.items()}
    return call(*operands, lanes=np.int64(library.lanes()), **numbers)


def _padded_mask(mask: np.ndarray | None, tokens: int) -> Array:
    """Bias [1 or windows, tokens, keys]: -inf for keys beyond `tokens`, up to a multiple of GRANULE."""
    return jnp.asarray(
        _padding(tokens)
        if mask is None
        else np.concatenate(
            [mask, np.broadcast_to(_padding(tokens)[:, :, tokens:], (len(mask), tokens, -tokens % GRANULE))],
            -1,
        )
    )


@functools.cache
def _padding(tokens: int) -> np.ndarray:
    padded = np.zeros((1, tokens, tokens + -tokens % GRANULE), np.float32)
    padded[:, :, tokens:] = -np.inf
    return padded
