"""Convolutions of the segmentation head, in the layout NHWC with kernels HWIO.

On CPUs both have gradients written by hand. XLA computes the gradient of a kernel as a convolution with a
kernel as large as the image, which on CPUs runs 200 times slower inside a loop than outside. Here it is one
matrix product over all pixels, of shifted copies concatenated as channels.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend
from hclip_jax.ops.rows import matmul_over_rows


def conv2d(
    x: Float[Array, "n H W C"], kernel: Float[Array, "k k C F"], precision: jax.lax.Precision | None = None
) -> Float[Array, "n H W F"]:
    """Convolution with an odd kernel size k and zero padding; n images, F output channels.

    `precision` is that of its products and those of its gradient; CPUs keep float32 without it.
    """
    return _conv2d_cpu(x, kernel) if backend.on_cpu() else _convolve(x, kernel, 1, "SAME", precision)


def conv2d_transpose(x: Float[Array, "n h w C"], kernel: Float[Array, "4 4 C F"]) -> Float[Array, "n H W F"]:
    """Transposed convolution to twice the size, H = 2h and W = 2w; n images, F output channels.

    Pixel (i, j) of x adds x @ kernel[u, v] to pixel (2i - 1 + u, 2j - 1 + v). The kernel is that of PyTorch,
    the mirror image of that of `jax.lax.conv_transpose`.
    """
    if backend.on_cpu():
        return _conv2d_transpose_cpu(x, kernel)
    padding = ((2, 2), (2, 2))
    return jax.lax.conv_transpose(x, kernel[::-1, ::-1], (2, 2), padding, dimension_numbers=_LAYOUT)


_LAYOUT = ("NHWC", "HWIO", "NHWC")


def _convolve(x: Array, kernel: Array, stride: int, padding: Any, precision: Any = None) -> Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT, precision=precision
    )


@jax.custom_vjp
def _conv2d_cpu(x: Array, kernel: Array) -> Array:
    """`conv2d` with its dkernel as one matrix product.

    dx            = dy convolved with the kernel mirrored in both axes and transposed to [k, k, F, C]
    dkernel[u, v] = sum over pixels of x^T dy, with x shifted by (u - k // 2, v - k // 2)
    """
    return _convolve(x, kernel, 1, "SAME")


def _conv2d_fwd(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _conv2d_cpu(x, kernel), (x, kernel)


def _conv2d_bwd(saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    return _conv2d_cpu(dy, kernel[::-1, ::-1].transpose(0, 1, 3, 2)), _dkernel(x, dy, len(kernel))


_conv2d_cpu.defvjp(_conv2d_fwd, _conv2d_bwd)


def _dkernel(x: Array, dy: Array, k: int) -> Array:
    """Gradient [k, k, C, F] of the kernel from x [n, H, W, C] and dy [n, H, W, F]."""
    (channels, features), shifts = (x.shape[-1], dy.shape[-1]), range(-(k // 2), k // 2 + 1)
    if channels > features:  # the array with fewer channels is shifted; shifts of dy have the opposite sign
        return _dkernel(dy, x, k)[::-1, ::-1].swapaxes(2, 3)
    x = jnp.concatenate([_shift(x, 2, shift) for shift in shifts], -1)
    if k * channels < features:
        x = jnp.concatenate([_shift(x, 1, shift) for shift in shifts], -1)
        return _matmul_over_pixels(x, dy).reshape(k, k, channels, features)
    # Columns of x and rows of dy are shifted, which makes fewer channels than shifting both of x.
    dy = jnp.concatenate([_shift(dy, 1, -shift) for shift in shifts], -1)
    return _matmul_over_pixels(x, dy).reshape(k, channels, k, features).transpose(2, 0, 1, 3)


def _shift(x: Array, axis: int, shift: int) -> Array:
    """y[i] = x[i + shift] along `axis`, with zeros beyond the edge."""
    length = x.shape[axis]
    shift = max(-length, min(shift, length))  # a larger shift gives zeros too
    inside = jax.lax.slice_in_dim(x, max(shift, 0), length + min(shift, 0), axis=axis)
    padding = [(0, 0)] * x.ndim
    padding[axis] = (max(-shift, 0), max(shift, 0))
    return jnp.pad(inside, padding)


def _matmul_over_pixels(x: Array, y: Array) -> Array:
    """x^T y [C, F] of x [n, H, W, C] and y [n, H, W, F], summed over all pixels."""
    return matmul_over_rows(x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1]))


@jax.custom_vjp
def _conv2d_transpose_cpu(x: Array, kernel: Array) -> Array:
    """`conv2d_transpose` as four convolutions, with its dkernel as one matrix product.

    Each pixel of a 2 x 2 group of the result is a convolution of x with a quarter of the kernel.

    dx            = dy convolved with the kernel transposed to [4, 4, F, C], at stride 2
    dkernel[u, v] = sum over pixels (i, j) of x[i, j]^T dy[2i - 1 + u, 2j - 1 + v]
    """
    n, h, w, _ = x.shape
    quarters = [
        _convolve(x, kernel[3 - a :: -2, 3 - b :: -2], 1, ((1 - a, a), (1 - b, b)))
        for a in (0, 1)
        for b in (0, 1)
    ]
    grid = jnp.stack(quarters, 3).reshape(n, h, w, 2, 2, -1)
    return grid.swapaxes(2, 3).reshape(n, 2 * h, 2 * w, -1)


def _conv2d_transpose_fwd(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _conv2d_transpose_cpu(x, kernel), (x, kernel)


def _conv2d_transpose_bwd(saved: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = saved
    (n, h, w, channels), features = x.shape, dy.shape[-1]
    dx = _convolve(dy, kernel.swapaxes(2, 3), 2, ((1, 1), (1, 1)))

    # Padded by 1, dy consists of pairs of rows and of columns, and pixel i of x adds to pairs i and i + 1.
    # Along the rows, x is shifted to match either pair; along the columns, dy is.
    rows = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
    rows = jnp.concatenate([rows[:, 1:], rows[:, :-1]], -1)
    pairs = jnp.pad(dy, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(n, h + 1, 2, w + 1, 2 * features)
    columns = jnp.concatenate([pairs[:, :, a, b : b + w] for a in (0, 1) for b in (0, 1)], -1)
    dkernel = _matmul_over_pixels(rows, columns).reshape(2, channels, 2, 4, features)
    return dx, dkernel.transpose(0, 2, 3, 1, 4).reshape(kernel.shape)


_conv2d_transpose_cpu.defvjp(_conv2d_transpose_fwd, _conv2d_transpose_bwd)
