"""CLIP's image tower, dense: one feature for every patch, and the features of two earlier blocks."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from hclip_jax.config.schema import ClipConfig
from hclip_jax.models.clip.layers import Block, init_blocks, run_block
from hclip_jax.models.clip.preprocessing import IMAGE_MEAN, IMAGE_STD
from hclip_jax.ops import resize
from hclip_jax.ops.normalization import LayerNorm
from hclip_jax.ops.remat import remat


class ImageFeatures(NamedTuple):
    """What the segmenter reads of B images: h x w patches."""

    patch_features: Array  # [B, h, w, D_e] in the space shared with the text
    guidance: tuple[Array, ...]  # each [B, h, w, D], outputs of the blocks asked for


class ImageEncoder(nn.Module):
    """ViT image tower. `guidance_blocks` count from 1; `remat_policy` is for the backward pass, see recompute.py."""

    config: ClipConfig
    guidance_blocks: tuple[int, ...] = ()
    dtype: Any = jnp.float32
    remat_policy: str = "none"

    def setup(self) -> None:
        tower, embed = self.config.image, self.config.embed_dim
        width, p, side = tower.width, tower.patch_size, tower.image_size // tower.patch_size
        normal = nn.initializers.normal(width**-0.5)
        patches = nn.initializers.lecun_normal((0, 1, 2))
        self.patch_embedding = self.param("patch_embedding", patches, (p, p, 3, width))
        self.class_embedding = self.param("class_embedding", normal, (width,))
        self.position_embedding = self.param("position_embedding", normal, (1 + side * side, width))
        self.norm_pre = LayerNorm(dtype=jnp.float32)
        self.block = Block(
            width, tower.num_heads, tower.mlp_ratio, self.config.activation, self.dtype, parent=None
        )
        self.blocks = self.param("blocks", init_blocks(self.block, tower.num_layers))
        self.norm_post = LayerNorm(dtype=self.dtype)
        self.projection = self.param("projection", normal, (width, embed))

    def __call__(self, images: Array) -> ImageFeatures:
        """Encodes pictures densely, of any size that the patch divides.

        Args:
            images: [B, H, W, 3] RGB in 0..255, uint8 or float32.

        Returns:
            Features of the h x w = H/patch x W/patch patches, before normalisation to length 1.
        """
        grid = self._grid(images)
        # The last block is dense and stands outside the scan.
        last = jax.tree.map(lambda leaf: leaf[-1], self.blocks)
        x, hidden = self._run(images, jax.tree.map(lambda leaf: leaf[:-1], self.blocks))
        x = self.project(run_block(self.block, last, x, method=Block.dense)[:, 1:])
        to_grid = lambda tokens: tokens.reshape(len(images), *grid, -1)  # noqa: E731
        return ImageFeatures(to_grid(x), tuple(to_grid(hidden[i - 1, :, 1:]) for i in self.guidance_blocks))

    def embed(self, images: Array) -> Array:
        """Encodes pictures as CLIP was trained to: one feature [B, D_e], before normalisation."""
        return self.project(self.class_tokens(images)[-1])

    def class_tokens(self, images: Array) -> Array:
        """The class token after each block, [L, B, D]: `project` of the last is `embed`."""
        _, hidden = self._run(images, self.blocks)
        return hidden[:, :, 0]

    def _run(self, images: Array, blocks: Any) -> tuple[Array, Array]:
        """Tokens [B, N, D] after `blocks`, and after each of them."""

        def run(x: Array, params: Any) -> tuple[Array, Array]:
            y = run_block(self.block, params, x)
            return y, y

        x = self.norm_pre(self._tokens(images))
        return jax.lax.scan(remat(self.remat_policy, run), x, blocks)

    def project(self, x: Array) -> Array:
        """From the tower's width to the shared space: [..., D] -> [..., D_e]."""
        return jnp.matmul(
            self.norm_post(x), self.projection.astype(self.dtype), preferred_element_type=jnp.float32
        )

    def _grid(self, images: Array) -> tuple[int, int]:
        p = self.config.image.patch_size
        return images.shape[1] // p, images.shape[2] // p

    def _tokens(self, images: Array) -> Array:
        """Class token and patch embeddings with their positions: [B, 1 + h*w, D]."""
        tower = self.config.image
        pixels = images.astype(jnp.float32)
        pixels = (pixels - jnp.array(IMAGE_MEAN)[None, None, None]) / jnp.array(IMAGE_STD)[None, None, None]
        # Patches do not overlap, so the patch convolution is a reshape around a matrix product.
        (h, w), p = self._grid(images), tower.patch_size
        patches = pixels.reshape(-1, h, p, w, p, 3).astype(self.dtype)
        kernel = self.patch_embedding.astype(self.dtype)
        x = jnp.einsum("BhpwqR,pqRD->BhwD", patches, kernel, preferred_element_type=jnp.float32)
        x = x.reshape(len(images), h * w, tower.width)

        side = tower.image_size // p
        position = self.position_embedding
        on_grid = resize.bicubic(position[1:].reshape(side, side, -1), (h, w), axes=(0, 1))
        position = jnp.concatenate([position[:1], on_grid.reshape(h * w, -1)])

        first = jnp.broadcast_to(self.class_embedding, (len(images), 1, tower.width))
        return jnp.concatenate([first, x], 1) + position[None]
