"""Convolutions with gradients that are fast inside loops as well.

They have their own, because the compiler's gradient of a kernel is a convolution with a kernel as large as
the picture, which XLA on CPUs runs 200 times slower inside a loop than outside. Here it is a few matrix
products of shifted rows: all pictures, with their edges of zeros, are one list of rows, in which a shift is
another start, and what crosses an edge meets zeros.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_vjp
def convolve(x: Array, kernel: Array) -> Array:
    """[n, H, W, C] convolved with [k, k, C, F], k odd and edges padded with zeros: [n, H, W, F]."""
    return _convolution(x, kernel, 1, "SAME")


def _convolution(x: Array, kernel: Array, stride: int, padding: Any) -> Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=numbers)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return convolve(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = saved
    k, wide, features = kernel.shape[1:]
    to_x = convolve(g, kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    if features > wide:
        return to_x, _correlate(x, g, k)
    # What has fewer channels is shifted; against g, the shifts run the other way.
    return to_x, _correlate(g, x, k)[::-1, ::-1].swapaxes(2, 3)


def _correlate(x: Array, y: Array, k: int) -> Array:
    """[n, H, W, C], [n, H, W, F] -> [k, k, C, F]: sums over pixels of y and x shifted to k x k places."""
    edge, width = k // 2, x.shape[2] + k // 2 * 2
    padding = ((0, 0), (edge, edge), (edge, edge), (0, 0))
    x, y = (jnp.pad(a, padding).reshape(-1, a.shape[-1]) for a in (x, y))
    margin = edge * width + edge
    rows = len(x) - 2 * margin
    across = jnp.concatenate([x[j : j + rows + 2 * edge * width] for j in range(k)], axis=1)
    y = y[margin : margin + rows]
    products = [across[i * width : i * width + rows].T @ y for i in range(k)]
    return jnp.stack(products).reshape(k, k, -1, y.shape[-1])


convolve.defvjp(_forward, _backward)


@jax.custom_vjp
def convolve_up(x: Array, kernel: Array) -> Array:
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
    return convolve_up(x, kernel), (x, kernel)


def _up_backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = saved
    (n, h, w, wide), features = x.shape, g.shape[-1]
    to_x = _convolution(g, kernel.swapaxes(2, 3), 2, ((1, 1), (1, 1)))

    # [n, h, a, w, b, F]: of a pixel's four columns, the first and the last are its neighbours'.
    g = jnp.pad(g.reshape(n, h, 2, w, 2, features), ((0, 0), (1, 1), (0, 0), (1, 1), (0, 0), (0, 0)))
    columns = (g[:, :, :, :-2, 1], g[:, :, :, 1:-1, 0], g[:, :, :, 1:-1, 1], g[:, :, :, 2:, 0])
    across = jnp.concatenate(columns, -1)
    even, odd = (across[:, :, a].reshape(-1, 4 * features) for a in (0, 1))
    # Likewise its four rows: the odd one above, its own two, the even one below.
    rows = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0))).reshape(-1, wide)[w:-w].T
    count = rows.shape[1]
    products = [
        rows @ y[start : start + count] for y, start in ((odd, 0), (even, w), (odd, w), (even, 2 * w))
    ]
    return to_x, jnp.stack(products).reshape(4, wide, 4, features).swapaxes(1, 2)


convolve_up.defvjp(_up_forward, _up_backward)
