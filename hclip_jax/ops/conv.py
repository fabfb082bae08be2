"""Convolutions with gradients that are fast inside loops as well.

They have their own, because the compiler's gradient of a kernel is a convolution with a kernel as large as
the picture, which XLA on CPUs runs 200 times slower inside a loop than outside. Here it is one matrix
product over all pixels, of channels that lie side by side shifted.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.ops.dense import matmul_over_rows


@jax.custom_vjp
def conv2d(x: Array, kernel: Array) -> Array:
    """[n, H, W, C] convolved with [k, k, C, F], k odd and edges padded with zeros: [n, H, W, F]."""
    return _convolution(x, kernel, 1, "SAME")


def _convolution(x: Array, kernel: Array, stride: int, padding: Any) -> Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=numbers)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return conv2d(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = saved
    return conv2d(g, kernel[::-1, ::-1].transpose(0, 1, 3, 2)), _correlate(x, g, len(kernel))


def _correlate(x: Array, y: Array, k: int) -> Array:
    """[n, H, W, C], [n, H, W, F] -> [k, k, C, F]: sums over pixels of y and x shifted to k x k places."""
    (wide, features), steps = (x.shape[-1], y.shape[-1]), range(-(k // 2), k // 2 + 1)
    if wide > features:  # what has fewer channels is shifted; against y, the shifts run the other way
        return _correlate(y, x, k)[::-1, ::-1].swapaxes(2, 3)
    x = jnp.concatenate([_shift(x, 2, step) for step in steps], -1)
    if k * wide < features:
        x = jnp.concatenate([_shift(x, 1, step) for step in steps], -1)
        return _over_pixels(x, y).reshape(k, k, wide, features)
    # Columns of one and rows of the other, which makes fewer channels than both of one.
    y = jnp.concatenate([_shift(y, 1, -step) for step in steps], -1)
    return _over_pixels(x, y).reshape(k, wide, k, features).transpose(2, 0, 1, 3)


def _shift(x: Array, axis: int, step: int) -> Array:
    """What lies `step` further along `axis`; zeros from beyond the edge."""
    count = x.shape[axis]
    inside = jax.lax.slice_in_dim(x, max(step, 0), count + min(step, 0), axis=axis)
    padding = [(0, 0)] * x.ndim
    padding[axis] = (max(-step, 0), max(step, 0))
    return jnp.pad(inside, padding)


def _over_pixels(x: Array, y: Array) -> Array:
    """[n, H, W, C], [n, H, W, F] -> [C, F]: sums of products."""
    return matmul_over_rows(x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1]))


conv2d.defvjp(_forward, _backward)


@jax.custom_vjp
def conv2d_transpose(x: Array, kernel: Array) -> Array:
    """Transposed convolution to twice the size: [n, h, w, C], [4, 4, C, F] -> [n, 2h, 2w, F].

    Pixel (i, j) of x adds x @ kernel[u, v] to pixel (2i - 1 + u, 2j - 1 + v), so that of each 2 x 2 new
    pixels every one is a convolution of x with a quarter of the kernel.
    """
    n, h, w, _ = x.shape
    quarters = [
        _convolution(x, kernel[3 - a :: -2, 3 - b :: -2], 1, ((1 - a, a), (1 - b, b)))
        for a in (0, 1)
        for b in (0, 1)
    ]
    grid = jnp.stack(quarters, 3).reshape(n, h, w, 2, 2, -1)
    return grid.swapaxes(2, 3).reshape(n, 2 * h, 2 * w, -1)


def _up_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return conv2d_transpose(x, kernel), (x, kernel)


def _up_backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = saved
    (n, h, w, wide), features = x.shape, g.shape[-1]
    to_x = _convolution(g, kernel.swapaxes(2, 3), 2, ((1, 1), (1, 1)))

    # A pixel's four rows and columns are two of a pair that starts one before the pixel, and two of the
    # next pair. Here the pairs of rows stay, and x is what moves; of columns, g is what moves.
    rows = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
    rows = jnp.concatenate([rows[:, 1:], rows[:, :-1]], -1)
    pairs = jnp.pad(g, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(n, h + 1, 2, w + 1, 2 * features)
    columns = jnp.concatenate([pairs[:, :, a, b : b + w] for a in (0, 1) for b in (0, 1)], -1)
    to_kernel = _over_pixels(rows, columns).reshape(2, wide, 2, 4, features)
    return to_x, to_kernel.transpose(0, 2, 3, 1, 4).reshape(kernel.shape)


conv2d_transpose.defvjp(_up_forward, _up_backward)
