"""Convolution with the same size out as in, and a gradient that is fast inside loops as well."""

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_vjp
def convolve(x: Array, kernel: Array) -> Array:
    """[n, H, W, C] convolved with [k, k, C, F], k odd and edges padded with zeros: [n, H, W, F].

    It has its own gradient, because the compiler's is a convolution with a kernel as large as the picture,
    which XLA on CPUs runs 200 times slower inside a loop than outside. Here it is one matrix product.
    """
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return convolve(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = saved
    (k, _, wide, features), rows = kernel.shape, g.shape[0] * g.shape[1] * g.shape[2]
    if features <= wide:  # shift what has fewer channels; against g, the shifts run the other way
        shifted = _shifts(g, k)[..., ::-1, :].reshape(rows, -1)
        product = x.reshape(rows, wide).T @ shifted
        gradient = product.reshape(wide, k, k, features).transpose(1, 2, 0, 3)
    else:
        product = _shifts(x, k).reshape(rows, -1).T @ g.reshape(rows, features)
        gradient = product.reshape(kernel.shape)
    return convolve(g, kernel[::-1, ::-1].transpose(0, 1, 3, 2)), gradient


def _shifts(x: Array, k: int) -> Array:
    """[n, H, W, C] -> [n, H, W, k * k, C]: what the kernel's places meet at every pixel."""
    edge, (height, width) = (k // 2, k // 2), x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), edge, edge, (0, 0)))
    return jnp.stack([padded[:, i : i + height, j : j + width] for i in range(k) for j in range(k)], axis=3)


convolve.defvjp(_forward, _backward)
