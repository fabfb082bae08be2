"""The transformer block of both CLIP towers.

A tower stores the parameters of its L blocks stacked, with a leading axis L on each leaf, and scans over
them: one block is compiled once, and the adapters get each attention matrix of a whole tower as one array.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32

from hclip_jax.models.clip.attention import Attention, KeyValue, causal_bias
from hclip_jax.models.params import Params
from hclip_jax.ops.activations import gelu, quick_gelu
from hclip_jax.ops.collectives import all_gather
from hclip_jax.ops.dense import Dense
from hclip_jax.ops.normalization import LayerNorm

# OpenAI's weights need quick GELU, those that OpenCLIP trained need GELU. The wrong one gives wrong features
# without an error.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"quick_gelu": quick_gelu, "gelu": gelu}


class Block(nn.Module):
    """Pre-norm transformer block: attention, then an MLP of `mlp_ratio` times the width.

    Attention and MLP compute in `dtype`. The residual stream, to which both add, is float32.

    Where a mesh axis `patch_axis` shares the patches of an image, each of its devices has the first token
    and its own patches, and gathers the keys and values of all patches.
    """

    width: int
    num_heads: int
    mlp_ratio: float
    activation: str
    dtype: Any
    patch_axis: str | None = None

    def setup(self) -> None:
        self.norm1 = LayerNorm(dtype=self.dtype)
        self.attention = Attention(self.width, self.num_heads, self.dtype)
        self.norm2 = LayerNorm(dtype=self.dtype)
        self.fc1 = Dense(round(self.mlp_ratio * self.width), dtype=self.dtype)
        self.fc2 = Dense(self.width, dtype=self.dtype)

    def __call__(self, x: Float32[Array, "B N D"]) -> Float32[Array, "B N D"]:
        """The block with attention over all tokens, as in the image tower."""
        y = self.norm1(x)
        key_value = self.attention.key_value(y)
        if self.patch_axis:
            key_value = KeyValue(*(gather_patches(a, self.patch_axis) for a in key_value))
        return self._mlp(_add(x, self.attention.attend(y, key_value)))

    def causal(
        self, prefix: Float32[Array, "1 p D"], suffix: Float32[Array, "S n D"]
    ) -> tuple[Float32[Array, "1 p D"], Float32[Array, "S n D"]]:
        """The block with causal attention, for S prompts that share their first p tokens.

        Args:
            prefix: the shared tokens, p >= 0.
            suffix: the n other tokens of each prompt.

        Returns:
            Both after the block.
        """
        attention, y, z = self.attention, self.norm1(prefix), self.norm1(suffix)
        shared, other = attention.key_value(y), attention.key_value(z)
        key_value = KeyValue(
            *(
                jnp.concatenate([jnp.broadcast_to(a, (len(b), *a.shape[1:])), b], axis=1)
                for a, b in zip(shared, other, strict=True)
            )
        )
        p, n = prefix.shape[1], suffix.shape[1]
        if p:
            prefix = self._mlp(_add(prefix, attention.attend(y, shared, causal_bias(p, p))))
        return prefix, self._mlp(_add(suffix, attention.attend(z, key_value, causal_bias(n, p + n))))

    def without_attention(self, x: Float32[Array, "B N D"]) -> Float32[Array, "B N D"]:
        """The block with each token attending only to itself, which keeps the features of patches local.

        As in the published code, the residual of every token is that of the class token.
        """
        return self._mlp(_add(x[:, :1], self.attention.value_projection(self.norm1(x))))

    def _mlp(self, x: Array) -> Array:
        return _add(x, self.fc2(ACTIVATIONS[self.activation](self.fc1(self.norm2(x)))))


def gather_patches(x: Float[Array, "B _ ..."], patch_axis: str | None) -> Float[Array, "B N ..."]:
    """All N tokens from the first one, which every device has, and the patches of each device."""
    return jnp.concatenate([x[:, :1], all_gather(x[:, 1:], patch_axis, axis=1)], axis=1)


def _add(x: Array, y: Array) -> Array:
    """The sum in float32."""
    return x + y.astype(jnp.float32)


def init_blocks(block: Block, num_layers: int) -> Callable[[Array], Params]:
    """An initializer for the parameters of `num_layers` blocks, stacked on a leading axis L."""

    def init(rng: Array) -> Params:
        x = jnp.zeros((1, 1, block.width))
        init_one = lambda key: cast(Params, block.init(key, x)["params"])  # noqa: E731
        return jax.vmap(init_one)(jax.random.split(rng, num_layers))

    return init


def run_block(block: Block, params: Mapping[str, Any], *x: Array, method: Any = None) -> Any:
    """Applies one block with its parameters: the body of a tower's scan over its layers."""
    return block.apply({"params": params}, *x, method=method)
