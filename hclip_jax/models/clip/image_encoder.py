"""CLIP's image tower: a feature for every patch, and the features of earlier blocks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float32, UInt8

from hclip_jax.config.schema import ClipConfig
from hclip_jax.models.clip.block import Block, init_blocks, run_block
from hclip_jax.models.clip.preprocessing import IMAGE_MEAN, IMAGE_STD
from hclip_jax.models.params import submodule_params
from hclip_jax.ops import resize
from hclip_jax.ops.collectives import all_gather, own_part
from hclip_jax.ops.normalization import LayerNorm
from hclip_jax.ops.remat import remat
from hclip_jax.ops.types import AnyArray

Images = UInt8[AnyArray, "B H W 3"] | Float32[AnyArray, "B H W 3"]
"""B images, RGB in 0..255."""


class ImageFeatures(NamedTuple):
    """Inputs of the segmentation head for B images of h x w patches.

    Attributes:
        patch_features: [B, h, w, D_e] in the space shared with text.
        guidance: outputs [B, h, w, D] of the guidance layers.
    """

    patch_features: Array
    guidance: tuple[Array, ...]


class ImageEncoder(nn.Module):
    """ViT image tower.

    Attributes:
        config: both towers of CLIP.
        guidance_layers: blocks whose output is returned too, counted from 1.
        dtype: dtype of the activations.
        remat_policy: one of `remat.REMAT_POLICIES`, for each block.
        patch_axis: mesh axis that shares the patches of an image, inside of `jax.shard_map`; its size must
            divide their number. All devices get the features of all patches.
    """

    config: ClipConfig
    guidance_layers: tuple[int, ...] = ()
    dtype: Any = jnp.float32
    remat_policy: str = "none"
    patch_axis: str | None = None

    def setup(self) -> None:
        tower = self.config.image
        width, p, grid_size = tower.width, tower.patch_size, tower.image_size // tower.patch_size
        normal = nn.initializers.normal(width**-0.5)
        lecun = nn.initializers.lecun_normal((0, 1, 2))
        self.patch_embedding = self.param("patch_embedding", lecun, (p, p, 3, width))
        self.class_embedding = self.param("class_embedding", normal, (width,))
        self.position_embedding = self.param("position_embedding", normal, (1 + grid_size**2, width))
        self.norm_pre = LayerNorm(dtype=jnp.float32)
        self.block = Block(
            width,
            tower.num_heads,
            tower.mlp_ratio,
            self.config.activation,
            self.dtype,
            self.patch_axis,
            parent=None,
        )
        self.blocks = submodule_params(self, "blocks", init_blocks(self.block, tower.num_layers))
        self.norm_post = LayerNorm(dtype=self.dtype)
        self.projection = self.param("projection", normal, (width, self.config.embed_dim))

    def __call__(self, images: Images) -> ImageFeatures:
        """Features of all patches; H and W are any multiples of the patch size.

        Returns:
            Features of h x w = H / patch_size x W / patch_size patches, before the normalization to length 1.
        """
        grid = self._grid(images)
        # The last block runs without attention, so it is not part of the scan.
        last = jax.tree.map(lambda leaf: leaf[-1], self.blocks)
        x, hidden = self._run(images, jax.tree.map(lambda leaf: leaf[:-1], self.blocks))
        x = self.project(run_block(self.block, last, x, method=Block.without_attention)[:, 1:])

        def to_grid(patches: Array) -> Array:
            return all_gather(patches, self.patch_axis, axis=1).reshape(len(images), *grid, -1)

        return ImageFeatures(to_grid(x), tuple(to_grid(hidden[i - 1, :, 1:]) for i in self.guidance_layers))

    def embed(self, images: Images) -> Float32[Array, "B D_e"]:
        """One feature for each image, as CLIP was trained, before the normalization to length 1."""
        return self.project(self.class_tokens(images)[-1])

    def class_tokens(self, images: Images) -> Float32[Array, "L B D"]:
        """The class token after each block; `project` of the last is `embed`."""
        _, hidden = self._run(images, self.blocks)
        return hidden[:, :, 0]

    def project(self, x: Float[Array, "*tokens D"]) -> Float32[Array, "*tokens D_e"]:
        """The final normalization, and the projection to the space shared with text."""
        return jnp.matmul(
            self.norm_post(x), self.projection.astype(self.dtype), preferred_element_type=jnp.float32
        )

    def _run(self, images: Images, blocks: Mapping[str, Any]) -> tuple[Array, Array]:
        """Tokens [B, N, D] after the last of `blocks`, and [L, B, N, D] after each of them."""

        def run(x: Array, params: Mapping[str, Any]) -> tuple[Array, Array]:
            y = run_block(self.block, params, x)
            return y, y

        x = self._tokens(images)
        x = self.norm_pre(jnp.concatenate([x[:, :1], own_part(x[:, 1:], self.patch_axis, axis=1)], axis=1))
        return jax.lax.scan(remat(self.remat_policy, run), x, blocks)

    def _grid(self, images: Images) -> tuple[int, int]:
        p = self.config.image.patch_size
        return images.shape[1] // p, images.shape[2] // p

    def _tokens(self, images: Images) -> Array:
        """Class token and patch embeddings with their position embeddings: [B, 1 + h*w, D]."""
        tower = self.config.image
        pixels = images.astype(jnp.float32)
        pixels = (pixels - jnp.array(IMAGE_MEAN)[None, None, None]) / jnp.array(IMAGE_STD)[None, None, None]
        # Patches do not overlap, so the patch convolution is a reshape and a matrix product.
        (h, w), p = self._grid(images), tower.patch_size
        patches = pixels.reshape(-1, h, p, w, p, 3).astype(self.dtype)
        kernel = self.patch_embedding.astype(self.dtype)
        x = jnp.einsum("BhpwqR,pqRD->BhwD", patches, kernel, preferred_element_type=jnp.float32)
        x = x.reshape(len(images), h * w, tower.width)

        grid_size = tower.image_size // p
        position = self.position_embedding
        on_grid = resize.bicubic(position[1:].reshape(grid_size, grid_size, -1), (h, w), axes=(0, 1))
        position = jnp.concatenate([position[:1], on_grid.reshape(h * w, -1)])

        class_token = jnp.broadcast_to(self.class_embedding, (len(images), 1, tower.width))
        return jnp.concatenate([class_token, x], 1) + position[None]
