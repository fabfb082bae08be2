"""The layers the segmentation head is made of, with PyTorch's initial weights."""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.ops import dense
from hclip_jax.ops.conv import conv2d
from hclip_jax.ops.dense import add_bias


def pytorch_uniform(rng: Array, shape: tuple[int, ...], dtype: Any, fan_in: int = 0) -> Array:
    """Uniform within 1/sqrt(fan_in), the default of PyTorch's linear and convolution weights.

    `fan_in` is what one output reads: all but the last axis of `shape`, unless given. Biases start at 0
    here; PyTorch draws them from the same range.
    """
    bound = (fan_in or math.prod(shape[:-1])) ** -0.5
    return jax.random.uniform(rng, shape, dtype, -bound, bound)


Dense = partial(dense.Dense, kernel_init=pytorch_uniform)


class Conv(nn.Module):
    """Convolution with a square kernel of odd side, edges padded with zeros."""

    features: int
    side: int
    dtype: Any
    use_bias: bool = True
    kernel_init: Any = pytorch_uniform
    bias_init: Any = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[n, H, W, C] -> [n, H, W, features]."""
        shape = (self.side, self.side, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        y = conv2d(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        bias = self.param("bias", self.bias_init, (self.features,))
        rows = add_bias(y.reshape(-1, self.features), bias.astype(self.dtype))
        return rows.reshape(y.shape)


class GuidedDense(nn.Module):
    """Dense layer of x and guidance side by side: W [x, g] + c = W_x x + (W_g g + c), exactly.

    g has length 1 along the axis that shares it (classes or patches), so its half costs next to nothing.
    `inputs` counts the channels of both.
    """

    features: int
    inputs: int
    dtype: Any

    def setup(self) -> None:
        init = partial(pytorch_uniform, fan_in=self.inputs)
        half = partial(dense.Dense, self.features, kernel_init=init, dtype=self.dtype)
        self.x, self.guidance = half(use_bias=False), half()

    def guide(self, guidance: Array) -> Array:
        """W_g g + c, once for all that share g: [..., G] -> [..., features]."""
        return self.guidance(guidance)

    def __call__(self, x: Array, guided: Array) -> Array:
        """[..., C] and what `guide` gave, broadcastable -> [..., features]."""
        return self.x(x) + guided


class UpsampleBy(nn.Module):
    """Transposed convolution whose kernel is as large as its stride: a pixel becomes factor x factor.

    Since the copies of the kernel do not overlap, it is a matrix product around a reshape.
    """

    factor: int
    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[n, h, w, C] -> [n, factor h, factor w, features]."""
        (n, h, w, c), f, out = x.shape, self.factor, self.features
        # PyTorch counts the fan of a transposed convolution on its output side.
        init = partial(pytorch_uniform, fan_in=f * f * out)
        kernel = self.param("kernel", init, (f, f, c, out), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (out,))
        columns = kernel.astype(self.dtype).transpose(2, 0, 1, 3).reshape(c, -1)
        x = (x.astype(self.dtype).reshape(-1, c) @ columns).reshape(-1, out)
        x = add_bias(x, bias.astype(self.dtype)).reshape(n, h, w, f, f, out)
        return x.swapaxes(2, 3).reshape(n, f * h, f * w, out)


class UpsampledConv(nn.Module):
    """`UpsampleBy(2)` from `channels` to `middle` and a 3 x 3 convolution without bias: one linear map.

    Together they are a transposed convolution of side 4, which takes half the products of the two and
    never holds what is between them. Only the bias in the middle knows where the picture ends.
    """

    channels: int
    middle: int
    features: int

    @nn.compact
    def __call__(self, grid: tuple[int, int]) -> tuple[Array, Array]:
        """The layer, for whoever applies it to many: all that can be known without its input.

        Args:
            grid: pixels of the output, down and across.

        Returns:
            Kernel of `conv2d_transpose` float32 [4, 4, C, features], and what to add to its result,
            [1, *grid, features].
        """
        # PyTorch counts the fan of a transposed convolution on its output side.
        up_init = partial(pytorch_uniform, fan_in=2 * 2 * self.middle)
        up = self.param("up_kernel", up_init, (2, 2, self.channels, self.middle), jnp.float32)
        bias = self.param("up_bias", nn.initializers.zeros, (self.middle,))
        shape = (3, 3, self.middle, self.features)
        kernel = self.param("kernel", pytorch_uniform, shape, jnp.float32)
        taps = jnp.einsum("D,uvDF->uvF", bias, kernel)
        edge = jnp.einsum("yu,xv,uvF->yxF", *(_taps_inside(n) for n in grid), taps)
        return compose_kernels(up, kernel), edge[None]


def compose_kernels(up: Array, kernel: Array) -> Array:
    """[2, 2, C, D] and then [3, 3, D, F] as one kernel of `conv2d_transpose`, [4, 4, C, F]."""
    # Of 2 x 2 new pixels, the one at p is read at tap u by the pixel at p - (u - 1).
    places = jnp.asarray(np.eye(4, dtype=np.float32)[np.arange(2)[:, None] + 2 - np.arange(3)])
    return jnp.einsum("puI,qvJ,pqCD,uvDF->IJCF", places, places, up, kernel)


def _taps_inside(pixels: int) -> Array:
    """[pixels, 3]: 1 where a tap of a convolution of side 3 reads a pixel, 0 where it is beyond the edge."""
    tap = np.arange(pixels)[:, None] + np.arange(3) - 1
    return jnp.asarray((tap >= 0) & (tap < pixels), jnp.float32)
