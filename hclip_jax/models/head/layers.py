"""Dense, convolution and upsampling layers of the segmentation head, initialized as in PyTorch."""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.ops import dense
from hclip_jax.ops.conv import conv2d
from hclip_jax.ops.dense import add_bias


def pytorch_uniform(rng: Array, shape: tuple[int, ...], dtype: Any, fan_in: int = 0) -> Float[Array, "..."]:
    """Uniform within 1/sqrt(fan_in), the default of PyTorch's linear and convolution weights.

    `fan_in` is the number of inputs of one output; by default, the product of all axes of `shape` but the
    last. Biases start at 0 here; PyTorch draws them from the same range.
    """
    bound = (fan_in or math.prod(shape[:-1])) ** -0.5
    return jax.random.uniform(rng, shape, dtype, -bound, bound)


Dense = partial(dense.Dense, kernel_init=pytorch_uniform)


class Conv(nn.Module):
    """Convolution with a square kernel of odd `kernel_size` and zero padding.

    `precision` is that of its products, where the default of a TPU is not enough.
    """

    features: int
    kernel_size: int
    dtype: Any
    use_bias: bool = True
    kernel_init: Any = pytorch_uniform
    bias_init: Any = nn.initializers.zeros
    precision: jax.lax.Precision | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "n H W C"]) -> Float[Array, "n H W {self.features}"]:
        """The convolution of n images, in `dtype`."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        y = conv2d(x.astype(self.dtype), kernel.astype(self.dtype), self.precision)
        if not self.use_bias:
            return y
        bias = self.param("bias", self.bias_init, (self.features,))
        rows = add_bias(y.reshape(-1, self.features), bias.astype(self.dtype))
        return rows.reshape(y.shape)


class GuidedDense(nn.Module):
    """Dense layer of x concatenated with guidance g: W [x, g] + c = W_x x + (W_g g + c), exactly.

    g has length 1 along the axis that shares it (classes or patches), so its part costs next to nothing.
    `inputs` is the number of channels of both.
    """

    features: int
    inputs: int
    dtype: Any

    def setup(self) -> None:
        init = partial(pytorch_uniform, fan_in=self.inputs)
        part = partial(dense.Dense, self.features, kernel_init=init, dtype=self.dtype)
        self.x, self.guidance = part(use_bias=False), part()

    def project_guidance(self, guidance: Float[Array, "*rows G"]) -> Float[Array, "*rows {self.features}"]:
        """W_g g + c of G guidance channels."""
        return self.guidance(guidance)

    def __call__(
        self, x: Float[Array, "*rows C"], projected: Float[Array, "... {self.features}"]
    ) -> Float[Array, "*rows {self.features}"]:
        """W_x x plus the result of `project_guidance`, which is broadcast."""
        return self.x(x) + projected


class UpsampleBy(nn.Module):
    """Transposed convolution with a kernel as large as its stride: one pixel becomes `factor` x `factor`.

    The copies of the kernel do not overlap, so it is a matrix product and a reshape.
    """

    factor: int
    features: int
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w C"]
    ) -> Float[Array, "n {self.factor}*h {self.factor}*w {self.features}"]:
        """The upsampling of n images, in `dtype`."""
        (n, h, w, c), f, out = x.shape, self.factor, self.features
        # PyTorch computes the fan-in of a transposed convolution from its output channels.
        init = partial(pytorch_uniform, fan_in=f * f * out)
        kernel = self.param("kernel", init, (f, f, c, out), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (out,))
        columns = kernel.astype(self.dtype).transpose(2, 0, 1, 3).reshape(c, -1)
        x = (x.astype(self.dtype).reshape(-1, c) @ columns).reshape(-1, out)
        x = add_bias(x, bias.astype(self.dtype)).reshape(n, h, w, f, f, out)
        return x.swapaxes(2, 3).reshape(n, f * h, f * w, out)


class UpsampledConv(nn.Module):
    """`UpsampleBy(2)` from `channels` to `middle` and a 3 x 3 convolution without bias, as one linear map.

    Together they are a transposed convolution of kernel size 4 with half the products of the two, and the
    intermediate array is never stored. At the image border the 3 x 3 kernel sees only part of the upsampling
    bias; the bias map accounts for that.
    """

    channels: int
    middle: int
    features: int

    @nn.compact
    def __call__(
        self, size: tuple[int, int]
    ) -> tuple[
        Float32[Array, "4 4 {self.channels} {self.features}"], Float32[Array, "1 H W {self.features}"]
    ]:
        """The map as a kernel and a bias, without its input, so that it is computed once for many inputs.

        Args:
            size: H and W of the output.

        Returns:
            The kernel for `conv2d_transpose`, and the bias map to add to its result.
        """
        # PyTorch computes the fan-in of a transposed convolution from its output channels.
        up_init = partial(pytorch_uniform, fan_in=2 * 2 * self.middle)
        up = self.param("up_kernel", up_init, (2, 2, self.channels, self.middle), jnp.float32)
        bias = self.param("up_bias", nn.initializers.zeros, (self.middle,))
        shape = (3, 3, self.middle, self.features)
        kernel = self.param("kernel", pytorch_uniform, shape, jnp.float32)
        taps = jnp.einsum("D,uvDF->uvF", bias, kernel)
        bias_map = jnp.einsum("yu,xv,uvF->yxF", *(_taps_inside(n) for n in size), taps)
        return compose_kernels(up, kernel), bias_map[None]


def compose_kernels(
    up: Float32[Array, "2 2 C D"], kernel: Float32[Array, "3 3 D F"]
) -> Float32[Array, "4 4 C F"]:
    """Kernel of `conv2d_transpose` that equals upsampling by `up` followed by a convolution with `kernel`.

    D is the number of channels between the two, F that of the output.
    """
    # one_hot[p, u, i] on each axis: upsampled pixel p of the two adds to result i = p + 2 - u by tap u.
    one_hot = jnp.asarray(np.eye(4, dtype=np.float32)[np.arange(2)[:, None] + 2 - np.arange(3)])
    return jnp.einsum("puI,qvJ,pqCD,uvDF->IJCF", one_hot, one_hot, up, kernel)


def _taps_inside(size: int) -> Array:
    """[size, 3]: 1 where a tap of a convolution of kernel size 3 falls on a pixel, 0 beyond the border."""
    position = np.arange(size)[:, None] + np.arange(3) - 1
    return jnp.asarray((position >= 0) & (position < size), jnp.float32)
