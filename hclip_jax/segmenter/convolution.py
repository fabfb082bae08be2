"""Convolution with the same size out as in, and a gradient that is fast inside loops as well."""

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_vjp
def convolve(x: Array, kernel: Array) -> Array:
    """[n, H, W, C] convolved with [k, k, C, F], k odd and edges padded with zeros: [n, H, W, F].

    It has its own gradient, because the compiler's is a convolution with a kernel as large as the picture,
    which XLA on CPUs runs 200 times slower inside a loop than outside. Here it is k matrix products.
    """
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


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
    """[n, H, W, C], [n, H, W, F] -> [k, k, C, F]: sums over pixels of y and x shifted to k x k places.

    All pictures, with their edges of zeros, are one list of rows: a shift is another start in that list,
    and what crosses an edge meets zeros.
    """
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
