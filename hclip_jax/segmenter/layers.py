"""The layers the segmentation head is made of, with PyTorch's initial weights."""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax import dense
from hclip_jax.dense import add_to_rows
from hclip_jax.segmenter.convolution import convolve


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
        y = convolve(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        bias = self.param("bias", self.bias_init, (self.features,))
        rows = add_to_rows(y.reshape(-1, self.features), bias.astype(self.dtype))
        return rows.reshape(y.shape)


class GuidedDense(nn.Module):
    """Dense layer of x and guidance side by side: W [x, g] + c = W_x x + (W_g g + c), exactly.

    g has length 1 along the axis that shares it (classes or patches), so its half costs next to nothing.
    """

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, guidance: Array) -> Array:
        """[..., C] and broadcastable [..., G] -> [..., features]."""
        init = partial(pytorch_uniform, fan_in=x.shape[-1] + guidance.shape[-1])
        half = partial(dense.Dense, self.features, kernel_init=init, dtype=self.dtype)
        return half(use_bias=False, name="x")(x) + half(name="guidance")(guidance)


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
        x = add_to_rows(x, bias.astype(self.dtype)).reshape(n, h, w, f, f, out)
        return x.swapaxes(2, 3).reshape(n, f * h, f * w, out)
