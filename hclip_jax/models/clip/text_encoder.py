"""CLIP's text tower: tokenized prompts to features."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float32, Int32

from hclip_jax.config.schema import ClipConfig
from hclip_jax.models.clip.block import Block, init_blocks, run_block
from hclip_jax.models.params import submodule_params
from hclip_jax.ops.normalization import LayerNorm
from hclip_jax.ops.remat import remat
from hclip_jax.ops.types import AnyArray


class TextEncoder(nn.Module):
    """Causal transformer; the feature of a prompt is that of its end token.

    Attributes:
        config: both towers of CLIP.
        dtype: dtype of the activations.
        remat_policy: one of `remat.REMAT_POLICIES`, for each block.
    """

    config: ClipConfig
    dtype: Any = jnp.float32
    remat_policy: str = "none"

    @nn.compact
    def __call__(self, tokens: Int32[AnyArray, "S N"], shared_prefix_len: int = 0) -> Float32[Array, "S D_e"]:
        """Encodes S prompts.

        Args:
            tokens: start token, ..., end token, zeros. N may be anything up to the context length: attention
                is causal and the feature is that of the end token, so later tokens have no effect.
            shared_prefix_len: number of leading tokens, fewer than N, that all prompts share; it is not
                checked. Since attention is causal, these tokens have the same activations in all prompts, and
                are computed once.

        Returns:
            Features before the normalization to length 1.
        """
        tower = self.config.text
        normal = nn.initializers.normal
        embedding = self.param("token_embedding", normal(0.02), (tower.vocab_size, tower.width))
        position = self.param("position_embedding", normal(0.01), (tower.context_length, tower.width))
        # Ids are those of CLIP's tokenizer. With a smaller vocab_size, several tokens share an embedding.
        x = embedding[tokens % tower.vocab_size] + position[None, : tokens.shape[1]]

        block = Block(
            tower.width, tower.num_heads, tower.mlp_ratio, self.config.activation, self.dtype, parent=None
        )
        blocks = submodule_params(self, "blocks", init_blocks(block, tower.num_layers))

        def run(x: tuple[Array, Array], params: Mapping[str, Any]) -> tuple[tuple[Array, Array], None]:
            return run_block(block, params, *x, method=Block.causal), None

        prefix, suffix = x[:1, :shared_prefix_len], x[:, shared_prefix_len:]
        (_, x), _ = jax.lax.scan(remat(self.remat_policy, run), (prefix, suffix), blocks)

        # The end token has the highest id.
        end = jnp.argmax(tokens[:, shared_prefix_len:], axis=1)
        x = jnp.take_along_axis(x, end[:, None, None], axis=1)[:, 0]
        x = LayerNorm(dtype=self.dtype, name="norm_final")(x)
        projection = self.param("projection", normal(tower.width**-0.5), (tower.width, self.config.embed_dim))
        return jnp.matmul(x, projection.astype(self.dtype), preferred_element_type=jnp.float32)
