"""CLIP's text tower: sentences to points of the space shared with the pictures."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.config.schema import ClipConfig
from hclip_jax.models.clip.layers import Block, init_blocks, run_block
from hclip_jax.ops.normalization import LayerNorm
from hclip_jax.ops.remat import remat


class TextEncoder(nn.Module):
    """Causal transformer read at the end token; `remat_policy` is for the backward pass, see recompute.py."""

    config: ClipConfig
    dtype: Any = jnp.float32
    remat_policy: str = "none"

    @nn.compact
    def __call__(self, tokens: Array, alike: int = 0) -> Array:
        """Encodes sentences.

        Args:
            tokens: int32 [S, N], start ... end, zeros. N may be anything up to the context the tower
                was trained with: attention is causal and the feature is read at the end token, so
                what stands behind it changes nothing.
            alike: with how many tokens, fewer than N, all sentences start alike; the caller knows. Since
                attention is causal, what becomes of them is the same everywhere and computed once.

        Returns:
            [S, D_e], before normalisation to length 1.
        """
        tower = self.config.text
        normal = nn.initializers.normal
        embedding = self.param("token_embedding", normal(0.02), (tower.vocab_size, tower.width))
        position = self.param("position_embedding", normal(0.01), (tower.context_length, tower.width))
        # The ids are CLIP's whatever the vocabulary: in a smaller one, words share embeddings.
        x = embedding[tokens % tower.vocab_size] + position[None, : tokens.shape[1]]

        block = Block(
            tower.width, tower.num_heads, tower.mlp_ratio, self.config.activation, self.dtype, parent=None
        )
        blocks = self.param("blocks", init_blocks(block, tower.num_layers))

        def run(x: tuple[Array, Array], params: Any) -> tuple[tuple[Array, Array], None]:
            return run_block(block, params, *x, method=Block.causal), None

        (_, x), _ = jax.lax.scan(remat(self.remat_policy, run), (x[:1, :alike], x[:, alike:]), blocks)

        # The end token has the highest id of the vocabulary.
        end = jnp.argmax(tokens[:, alike:], axis=1)
        x = jnp.take_along_axis(x, end[:, None, None], axis=1)[:, 0]
        x = LayerNorm(dtype=self.dtype, name="norm_final")(x)
        projection = self.param("projection", normal(tower.width**-0.5), (tower.width, self.config.embed_dim))
        return jnp.matmul(x, projection.astype(self.dtype), preferred_element_type=jnp.float32)
