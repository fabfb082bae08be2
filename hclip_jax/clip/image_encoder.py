"""CLIP's image tower, dense: one feature for every patch, and the features of two earlier blocks."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax import resize
from hclip_jax.clip.layers import Block, init_blocks, run_block
from hclip_jax.config_schema import ClipConfig
from hclip_jax.norms import LayerNorm

# CLIP's pixel statistics, RGB in 0..255.
MEAN = (122.7709383, 116.7460125, 104.09373615)
STD = (68.5005327, 66.6321579, 70.3231630)


class ImageFeatures(NamedTuple):
    """What the segmenter reads of B images: h x w patches."""

    dense: Array  # [B, h, w, D_e] in the space shared with the text
    guidance: tuple[Array, ...]  # each [B, h, w, D], outputs of the blocks asked for


class ImageEncoder(nn.Module):
    """ViT image tower. `guidance_blocks` count from 1; `remat` recomputes blocks in the backward pass."""

    config: ClipConfig
    guidance_blocks: tuple[int, ...] = ()
    dtype: Any = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(self, images: Array) -> ImageFeatures:
        """Encodes pictures of any size that the patch divides.

        Args:
            images: [B, H, W, 3] RGB in 0..255, uint8 or float32.

        Returns:
            Features of the h x w = H/patch x W/patch patches, before normalisation to length 1.
        """
        tower = self.config.image
        grid = (images.shape[1] // tower.patch, images.shape[2] // tower.patch)
        x = self._patches(images, grid)
        x = LayerNorm(dtype=self.dtype, name="norm_pre")(x)

        block = Block(tower.width, tower.heads, self.config.activation, self.dtype, parent=None)
        blocks = self.param("blocks", init_blocks(block, tower.layers))
        # The last block is dense and stands outside the scan.
        last = jax.tree.map(lambda leaf: leaf[-1], blocks)
        first = jax.tree.map(lambda leaf: leaf[:-1], blocks)

        def run(x: Array, params: Any) -> tuple[Array, Array]:
            y = run_block(block, params, x)
            return y, y

        x, hidden = jax.lax.scan(jax.checkpoint(run) if self.remat else run, x, first)
        x = run_block(block, last, x, method=Block.dense)

        x = LayerNorm(dtype=self.dtype, name="norm_post")(x)
        projection = self.param(
            "projection",
            nn.initializers.normal(tower.width**-0.5),
            (tower.width, self.config.embed),
        )
        dense = x[:, 1:] @ projection.astype(self.dtype)
        to_grid = lambda tokens: tokens.reshape(len(images), *grid, -1)  # noqa: E731
        guidance = tuple(to_grid(hidden[i - 1, :, 1:]) for i in self.guidance_blocks)
        return ImageFeatures(to_grid(dense), guidance)

    def _patches(self, images: Array, grid: tuple[int, int]) -> Array:
        """Class token and patch embeddings with their positions: [B, 1 + h*w, D]."""
        tower = self.config.image
        pixels = images.astype(jnp.float32)
        pixels = (pixels - jnp.array(MEAN)[None, None, None]) / jnp.array(STD)[None, None, None]
        # Patches do not overlap, so the patch convolution is a reshape around a matrix product.
        (h, w), p = grid, tower.patch
        patches = pixels.reshape(-1, h, p, w, p, 3).astype(self.dtype)
        kernel = self.param(
            "patch_embedding", nn.initializers.lecun_normal((0, 1, 2)), (p, p, 3, tower.width)
        )
        x = jnp.einsum("BhpwqR,pqRD->BhwD", patches, kernel.astype(self.dtype))
        x = x.reshape(len(images), h * w, tower.width)

        normal = nn.initializers.normal(tower.width**-0.5)
        class_embedding = self.param("class_embedding", normal, (tower.width,))
        side = tower.resolution // p
        position = self.param("position_embedding", normal, (1 + side * side, tower.width))
        on_grid = resize.bicubic(position[1:].reshape(side, side, -1), grid, axes=(0, 1))
        position = jnp.concatenate([position[:1], on_grid.reshape(h * w, -1)])

        first = jnp.broadcast_to(class_embedding, (len(images), 1, tower.width))
        return jnp.concatenate([first.astype(self.dtype), x], 1) + position[None].astype(self.dtype)
