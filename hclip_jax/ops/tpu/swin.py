"""A Swin block of the head as one kernel of a TPU, with its gradient.

XLA writes most [T, h, w, C] arrays between two operations to the chip's memory and reads them again
(docs/performance.md has the bytes). The kernel reads the activations of one class, computes the whole block
on the chip and writes the result. Its gradient is JAX's own, of the same function, also on the chip: the
forward pass is computed again there, and only the inputs are stored between the passes.

A class is worked on one window at a time, so that a gradient fits in the 16 MB of a v4's core.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jaxtyping import Float

from hclip_jax.ops import backend
from hclip_jax.ops.tpu.swin_window import compute_window
from hclip_jax.ops.tpu.windows import Runs, for_each_window, gather, scatter

Params = dict[str, Any]


class _Sizes(NamedTuple):
    """Sizes that are fixed when a kernel is compiled.

    Attributes:
        classes: T.
        grid: h and w.
        window: patches along a side of a window.
        shift: patches by which windows are shifted.
        heads: attention heads.
    """

    classes: int
    grid: tuple[int, int]
    window: int
    shift: int
    heads: int

    @property
    def cores(self) -> int:
        """Parts of the classes: the two cores of a v4 or v5p chip have one each."""
        return max(1, min(2, self.classes))

    @property
    def part(self) -> int:
        """Classes of a core; where T is odd, the second core has the last one twice."""
        return -(-self.classes // self.cores)

    def place_of_class(self, core: Any, b: Any, i: Any) -> tuple[Any, Any]:
        """Image and class that a core works on."""
        return b, jnp.minimum(core * self.part + i, self.classes - 1)


_CHANNELS = 128
"""Channels of the kernel: the lanes of a TPU's registers."""

_SUBLANES = 8
"""Rows of a TPU's registers; the patches of a window must fill whole ones."""

_MOST_HEADS, _MOST_TOKENS, _MOST_PATCHES = 8, 144, 576
"""Heads, patches of a window and patches of the grid for which the 16 MB of a v4's core are enough."""


def usable(dtype: Any, channels: int, heads: int, window: int, grid: tuple[int, ...]) -> bool:
    """Whether the kernel is used here for a block of such sizes; others have the plain form."""
    return (
        backend.platform() == "tpu"
        and backend.kernels_enabled()
        and dtype in (jnp.float32, jnp.bfloat16)
        and channels == _CHANNELS
        and channels % heads == 0
        and heads <= _MOST_HEADS
        and window**2 % _SUBLANES == 0
        and window**2 <= _MOST_TOKENS
        and math.prod(grid) <= _MOST_PATCHES
    )


def swin_block(
    x: Float[Array, "B T h w C"],
    guidance: tuple[Float[Array, "B 1 windows N C"], Float[Array, "B 1 windows N C"]],
    params: Params,
    num_heads: int,
    window: tuple[int, int],
    mask: Float[np.ndarray, "windows N N"] | None,
) -> Float[Array, "B T h w C"]:
    """`SwinBlock`, with the activations between its layers in float32; products are of x's dtype.

    Args:
        x: activations of T classes.
        guidance: of queries and keys.
        params: parameters of the block, of any floating dtype.
        num_heads: attention heads.
        window: size of the windows, and the number of patches by which they are shifted.
        mask: bias of the logits, for windows that are shifted.
    """
    query, key = (g[:, 0] for g in guidance)
    bias = np.zeros((query.shape[1], 1, 1), np.float32) if mask is None else mask
    _, t, h, w, _ = x.shape
    sizes = _Sizes(t, (h, w), *window, num_heads)
    weights = {name: params[name] for name in ("norm1", "value", "out", "norm2", "fc1", "fc2")}
    weights |= {name: params[name]["x"]["kernel"] for name in ("query", "key")}
    weights = jax.tree.map(lambda w: jnp.atleast_2d(w).astype(jnp.float32), weights)
    return _block(x, query, key, weights, jnp.asarray(bias), sizes)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _block(x: Array, query: Array, key: Array, weights: Params, bias: Array, sizes: _Sizes) -> Array:
    return _block_fwd(x, query, key, weights, bias, sizes)[0]


def _block_fwd(
    x: Array, query: Array, key: Array, weights: Params, bias: Array, sizes: _Sizes
) -> tuple[Array, tuple[Any, ...]]:
    operands = x, query, key, weights, bias
    y = _call(_forward, sizes, operands, _blocks_of(operands, sizes), x, _blocks(sizes.place_of_class, x))
    return y, operands


def _block_bwd(
    sizes: _Sizes, operands: tuple[Any, ...], dy: Array
) -> tuple[Array, Array, Array, Params, None]:
    x, query, key, weights, _ = operands
    # Each core has its own sums over classes.
    guidance, shared = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((sizes.cores, *a.shape), jnp.float32), ((query, key), weights)
    )
    class_blocks = _blocks(sizes.place_of_class, x)
    dx, dguidance, dweights = _call(
        _gradient,
        sizes,
        (*operands, dy),
        (*_blocks_of(operands, sizes), class_blocks),
        (x, guidance, shared),
        (
            class_blocks,
            _blocks(lambda core, b, i: (core, b), guidance),
            _blocks(lambda core, b, i: (core,), shared),
        ),
    )
    dquery, dkey = (d.sum(0).astype(query.dtype) for d in dguidance)
    return dx, dquery, dkey, jax.tree.map(lambda d: d.sum(0), dweights), None


_block.defvjp(_block_fwd, _block_bwd)


def _call(kernel: Any, sizes: _Sizes, operands: Any, in_specs: Any, results: Any, out_specs: Any) -> Any:
    """Runs a kernel on each core for one class of one image after another."""
    x = operands[0]
    return pl.pallas_call(
        functools.partial(kernel, sizes=sizes),
        out_shape=jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), results),
        grid=(sizes.cores, len(x), sizes.part),
        in_specs=in_specs,
        out_specs=out_specs,
        scratch_shapes=[pltpu.VMEM((sizes.window**2, x.shape[4]), jnp.float32)],
        compiler_params=pltpu.CompilerParams(dimension_semantics=("parallel", "arbitrary", "arbitrary")),
    )(*operands)


def _blocks_of(operands: tuple[Any, ...], sizes: _Sizes) -> tuple[Any, ...]:
    x, query, key, weights, bias = operands
    return (
        _blocks(sizes.place_of_class, x),
        *_blocks(lambda core, b, i: (b,), (query, key)),
        *_blocks(lambda core, b, i: (), (weights, bias)),
    )


def _blocks(place: Callable[[Any, Any, Any], tuple[Any, ...]], arrays: Any) -> Any:
    """The blocks of arrays for a step of a kernel: one place on the first axes, all of the others.

    The kernel does not see the first axes.

    Args:
        place: of core, image b and the core's class i.
        arrays: arrays, or their shapes.
    """

    def block(a: Any) -> pl.BlockSpec:
        fixed = len(place(0, 0, 0))
        index = lambda *step: (*place(*step), *(0,) * (a.ndim - fixed))  # noqa: E731
        return pl.BlockSpec((*(None,) * fixed, *a.shape[fixed:]), index)

    return jax.tree.map(block, arrays)


def _forward(
    x: Any, query: Any, key: Any, weights: Any, bias: Any, y: Any, rows: Any, *, sizes: _Sizes
) -> None:
    """The block of one class; all arguments are references, those of images and classes without these axes.

    Args:
        x: activations [h, w, C].
        query: guidance [windows, N, C].
        key: guidance [windows, N, C].
        weights: parameters of the block.
        bias: of the logits, [windows, N or 1, N or 1].
        y: the result [h, w, C].
        rows: memory for the patches of a window, float32 [N, C].
        sizes: as above.
    """
    weights = jax.tree.map(lambda ref: ref[...], weights)

    def run(window: Any, runs: Runs) -> None:
        gather(x, rows, runs)
        compute = functools.partial(compute_window, bias=bias[window], heads=sizes.heads, dtype=x.dtype)
        rows[...] = compute(rows[...], query[window], key[window], weights)
        scatter(rows, y, runs)

    _for_each_window(run, sizes)


def _gradient(
    x: Any,
    query: Any,
    key: Any,
    weights: Any,
    bias: Any,
    dy: Any,
    dx: Any,
    dguidance: Any,
    dweights: Any,
    rows: Any,
    *,
    sizes: _Sizes,
) -> None:
    """The gradient of one class; those of guidance and weights are added to the sums of the core."""
    weights = jax.tree.map(lambda ref: ref[...], weights)
    image, number = pl.program_id(1), pl.program_id(2)
    pl.when(number == 0)(lambda: _clear(dguidance))
    pl.when((image == 0) & (number == 0))(lambda: _clear(dweights))

    def run(window: Any, runs: Runs) -> None:
        gather(x, rows, runs)
        compute = functools.partial(compute_window, bias=bias[window], heads=sizes.heads, dtype=x.dtype)
        gradient = jax.vjp(compute, rows[...], query[window], key[window], weights)[1]
        gather(dy, rows, runs)
        rows[...], *parts, dw = gradient(rows[...])
        scatter(rows, dx, runs)
        for total, part in zip(dguidance, parts, strict=True):
            total[window] += part.astype(jnp.float32)
        jax.tree.map(_add, dweights, dw)

    _for_each_window(run, sizes)


def _for_each_window(run: Callable[[Any, Runs], None], sizes: _Sizes) -> None:
    """Calls `run` for the windows of a class, unless it is the last one for the second time."""
    is_new = pl.program_id(0) * sizes.part + pl.program_id(2) < sizes.classes
    pl.when(is_new)(lambda: for_each_window(run, sizes.grid, sizes.window, sizes.shift))


def _clear(sums: Any) -> None:
    for ref in jax.tree.leaves(sums):
        ref[...] = jnp.zeros_like(ref)


def _add(total: Any, gradient: Array) -> None:
    total[...] += gradient
