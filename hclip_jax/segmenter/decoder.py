"""Decoder: from the patch grid to four times its resolution, guided by earlier CLIP blocks."""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from hclip_jax.norms import GroupNorm
from hclip_jax.segmenter.layers import Conv, UpsampledConv

_CHANNELS_PER_GROUP = 16


class Decoder(nn.Module):
    """Two guided upsampling steps and a head of one logit a class; `prior` is its first probability."""

    widths: tuple[int, ...]
    prior: float
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, guidance: tuple[Array, ...]) -> Array:
        """Decodes the costs of each class.

        Args:
            x: [B, T, h, w, C] aggregated costs.
            guidance: for each step [B, 2^step h, 2^step w, G], the same for all classes.

        Returns:
            Logits float32 [B, T, 4h, 4w].
        """
        b, t = x.shape[:2]
        x = x.reshape(b * t, *x.shape[2:])
        for i, (width, g) in enumerate(zip(self.widths, guidance, strict=True), start=1):
            x = DecoderStep(width, self.dtype, name=f"step{i}")(x, g)
        # In float32 whatever the dtype: of logits with eight bits, classes would be equal that are not.
        x = Conv(1, 3, jnp.float32, **self._first(), name="logit")(x)
        return x.reshape(b, t, *x.shape[1:3])

    def _first(self) -> dict[str, Any]:
        """How the last layer starts: with a prior at zero, so that no class is told by chance."""
        if not self.prior:
            return {}
        bias = nn.initializers.constant(math.log(self.prior / (1 - self.prior)))
        return {"kernel_init": nn.initializers.zeros, "bias_init": bias}


class DecoderStep(nn.Module):
    """Doubles the resolution, reads the guidance and convolves twice."""

    width: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, guidance: Array) -> Array:
        """[B*T, h, w, C], [B, 2h, 2w, G] -> [B*T, 2h, 2w, width]."""
        b, narrow = len(guidance), guidance.shape[-1]
        y, edge = UpsampledConv(x.shape[-1] - narrow, self.width, self.dtype, name="conv1")(x)
        # A convolution of [x, guidance] is the sum of two; the guidance's is the same for all classes.
        shared = Conv(self.width, 3, self.dtype, use_bias=False, name="conv1_guidance")(guidance) + edge
        y = y.reshape(b, -1, *y.shape[1:]) + shared[:, None]
        y = nn.relu(self._norm("norm1")(y.reshape(-1, *y.shape[2:])))
        y = Conv(self.width, 3, self.dtype, use_bias=False, name="conv2")(y)
        return nn.relu(self._norm("norm2")(y))

    def _norm(self, name: str) -> nn.Module:
        groups = max(1, self.width // _CHANNELS_PER_GROUP)
        return GroupNorm(groups, dtype=self.dtype, name=name)
