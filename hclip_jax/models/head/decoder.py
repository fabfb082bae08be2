"""Decoder: logits on four times the patch grid, guided by features of earlier CLIP blocks."""

import math
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.models.head.layers import Conv, UpsampledConv
from hclip_jax.ops.conv import conv2d_transpose
from hclip_jax.ops.native import call, decoder
from hclip_jax.ops.normalization import GroupNorm
from hclip_jax.ops.precision import FLOAT32

_CHANNELS_PER_GROUP = 16


class StepGuidance(NamedTuple):
    """The part of a decoder step that is the same for all classes.

    Attributes:
        kernel: [4, 4, C, F] of the first convolution; F is the step's number of features.
        shared: [B, 2h, 2w, F], added to the result of the first convolution.
    """

    kernel: Array
    shared: Array


class Decoder(nn.Module):
    """Two guided upsampling steps and a convolution to one logit for each class.

    Attributes:
        channels: C of the aggregated costs.
        dims: features of each step.
        guidance_dims: guidance channels of each step.
        prior_prob: initial probability of every class; 0 starts from random logits.
        dtype: dtype of the steps.
    """

    channels: int
    dims: tuple[int, ...]
    guidance_dims: tuple[int, ...]
    prior_prob: float
    dtype: Any

    def setup(self) -> None:
        in_dims = (self.channels, *self.dims)
        self.steps = [
            DecoderStep(*sizes, self.dtype, name=f"step{i}")
            for i, sizes in enumerate(zip(in_dims, self.guidance_dims, self.dims, strict=False), start=1)
        ]
        # Kept in float32: bfloat16 has 8 significant bits and produces ties between classes.
        self.logit = Conv(1, 3, jnp.float32, precision=FLOAT32, **self._logit_init())

    def project_guidance(self, guidance: tuple[Float[Array, "B _ _ _"], ...]) -> tuple[StepGuidance, ...]:
        """The guidance of every step, computed once for all classes, from [B, 2^i h, 2^i w, G] of step i.

        G is the number of guidance channels of the step.
        """
        return tuple(step.project_guidance(g) for step, g in zip(self.steps, guidance, strict=True))

    def __call__(
        self, x: Float[Array, "B T h w C"], guidance: tuple[StepGuidance, ...]
    ) -> Float32[Array, "B T 4*h 4*w"]:
        """Logits from aggregated costs and the result of `project_guidance`."""
        if self.in_kernel(x) and not self.is_initializing():
            groups = cast(tuple[int, int], tuple(dim // _num_groups(dim) for dim in self.dims))
            return decoder.decoder(x, guidance, self.variables["params"], groups)
        b, t = x.shape[:2]
        x = x.reshape(b * t, *x.shape[2:])
        for step, step_guidance in zip(self.steps, guidance, strict=True):
            x = step(x, step_guidance)
        x = self.logit(x)
        return x.reshape(b, t, *x.shape[1:3])

    def in_kernel(self, x: Float[Array, "B T h w C"]) -> bool:
        """Whether a kernel computes the logits of x; it needs no chunks of classes to save memory."""
        return len(self.dims) == 2 and call.usable(self.dtype, x.shape[-1], *self.dims)

    def _logit_init(self) -> dict[str, Any]:
        """Initializers of the last layer: with a prior, every logit starts at log(p / (1 - p))."""
        if not self.prior_prob:
            return {}
        bias = nn.initializers.constant(math.log(self.prior_prob / (1 - self.prior_prob)))
        return {"kernel_init": nn.initializers.zeros, "bias_init": bias}


class DecoderStep(nn.Module):
    """Upsampling by 2, concatenation of the guidance and two convolutions."""

    channels: int
    guidance_dim: int
    features: int
    dtype: Any

    def setup(self) -> None:
        self.conv1 = UpsampledConv(self.channels, self.channels - self.guidance_dim, self.features)
        # A convolution of [x, guidance] is the sum of two; that of the guidance is the same for all classes.
        self.conv1_guidance = Conv(self.features, 3, self.dtype, use_bias=False)
        self.norm1, self.norm2 = (GroupNorm(_num_groups(self.features), dtype=self.dtype) for _ in range(2))
        self.conv2 = Conv(self.features, 3, self.dtype, use_bias=False)

    def project_guidance(self, guidance: Float[Array, "B H W G"]) -> StepGuidance:
        """The guidance of this step from H x W = 2h x 2w features of G channels."""
        kernel, bias_map = self.conv1((guidance.shape[1], guidance.shape[2]))
        return StepGuidance(
            kernel.astype(self.dtype), self.conv1_guidance(guidance) + bias_map.astype(self.dtype)
        )

    def __call__(
        self, x: Float[Array, "n h w C"], guidance: StepGuidance
    ) -> Float[Array, "n 2*h 2*w {self.features}"]:
        """The step on n = B * T maps."""
        y = conv2d_transpose(x.astype(self.dtype), guidance.kernel)
        y = y.reshape(len(guidance.shared), -1, *y.shape[1:]) + guidance.shared[:, None]
        y = nn.relu(self.norm1(y.reshape(-1, *y.shape[2:])))
        return nn.relu(self.norm2(self.conv2(y)))


def _num_groups(features: int) -> int:
    return max(1, features // _CHANNELS_PER_GROUP)
