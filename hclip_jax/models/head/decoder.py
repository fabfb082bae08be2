"""Decoder: from the patch grid to four times its resolution, guided by earlier CLIP blocks."""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from hclip_jax.models.head.layers import Conv, UpsampledConv
from hclip_jax.ops.conv import conv2d_transpose
from hclip_jax.ops.normalization import GroupNorm

_CHANNELS_PER_GROUP = 16


class Guide(NamedTuple):
    """What a step does to every class alike."""

    kernel: Array  # [4, 4, C, width] of the first convolution
    shared: Array  # [B, 2h, 2w, width], added to its result


class Decoder(nn.Module):
    """Two guided upsampling steps and a head of one logit a class; `prior_prob` is its first probability."""

    channels: int
    widths: tuple[int, ...]
    guidance: tuple[int, ...]
    prior_prob: float
    dtype: Any

    def setup(self) -> None:
        ins = (self.channels, *self.widths)
        self.steps = [
            DecoderStep(*sizes, self.dtype, name=f"step{i}")
            for i, sizes in enumerate(zip(ins, self.guidance, self.widths, strict=False), start=1)
        ]
        # In float32 whatever the dtype: of logits with eight bits, classes would be equal that are not.
        self.logit = Conv(1, 3, jnp.float32, **self._first())

    def guide(self, guidance: tuple[Array, ...]) -> tuple[Guide, ...]:
        """What is the same for all classes, once for all: of [B, 2^step h, 2^step w, G] for each step."""
        return tuple(step.guide(g) for step, g in zip(self.steps, guidance, strict=True))

    def __call__(self, x: Array, guides: tuple[Guide, ...]) -> Array:
        """Decodes the costs of each class.

        Args:
            x: [B, T, h, w, C] aggregated costs.
            guides: of `guide`.

        Returns:
            Logits float32 [B, T, 4h, 4w].
        """
        b, t = x.shape[:2]
        x = x.reshape(b * t, *x.shape[2:])
        for step, guide in zip(self.steps, guides, strict=True):
            x = step(x, guide)
        x = self.logit(x)
        return x.reshape(b, t, *x.shape[1:3])

    def _first(self) -> dict[str, Any]:
        """How the last layer starts: with a prior at zero, so that no class is told by chance."""
        if not self.prior_prob:
            return {}
        bias = nn.initializers.constant(math.log(self.prior_prob / (1 - self.prior_prob)))
        return {"kernel_init": nn.initializers.zeros, "bias_init": bias}


class DecoderStep(nn.Module):
    """Doubles the resolution, reads the guidance and convolves twice."""

    channels: int
    guidance: int
    width: int
    dtype: Any

    def setup(self) -> None:
        self.conv1 = UpsampledConv(self.channels, self.channels - self.guidance, self.width)
        # A convolution of [x, guidance] is the sum of two; the guidance's is the same for all classes.
        self.conv1_guidance = Conv(self.width, 3, self.dtype, use_bias=False)
        self.norm1, self.norm2 = (
            GroupNorm(max(1, self.width // _CHANNELS_PER_GROUP), dtype=self.dtype) for _ in range(2)
        )
        self.conv2 = Conv(self.width, 3, self.dtype, use_bias=False)

    def guide(self, guidance: Array) -> Guide:
        """Of [B, 2h, 2w, G]."""
        kernel, edge = self.conv1((guidance.shape[1], guidance.shape[2]))
        return Guide(kernel.astype(self.dtype), self.conv1_guidance(guidance) + edge.astype(self.dtype))

    def __call__(self, x: Array, guide: Guide) -> Array:
        """[B*T, h, w, C] -> [B*T, 2h, 2w, width]."""
        y = conv2d_transpose(x.astype(self.dtype), guide.kernel)
        y = y.reshape(len(guide.shared), -1, *y.shape[1:]) + guide.shared[:, None]
        y = nn.relu(self.norm1(y.reshape(-1, *y.shape[2:])))
        return nn.relu(self.norm2(self.conv2(y)))
