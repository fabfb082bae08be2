"""H-CLIP ViT-L/14 at 336 pixels, by the paper; the published code cannot build it.

Command   export HCLIP_JAX_DATA=data  # the --target of hclip prepare
          hclip train --config=vitl --workdir=runs/vitl \
              --config.clip.weights=hf:openai/clip-vit-large-patch14-336
          hclip evaluate runs/vitl --suite=paper
Hardware  published: 4 x RTX 3090, one image each. Not yet run in full with this code.
Score     published mIoU A-847 / PC-459 / A-150 / PC-59 / PAS-20 / PAS-20b:
          16.5 / 24.2 / 38.4 / 64.1 / 97.7 / 83.2. Not yet reproduced with this code.
"""

from ml_collections import ConfigDict

from hclip_jax.configs import vitb


def get_config() -> ConfigDict:
    """The recipe of ViT-B/16 with the sizes of ViT-L/14@336."""
    c = vitb.get_config()
    c.clip.embed_dim = 768
    c.clip.image.num_layers = 24
    c.clip.image.width = 1024
    c.clip.image.num_heads = 16
    c.clip.image.patch_size = 14
    c.clip.image.image_size = 336
    c.clip.text.width = 768
    c.clip.text.num_heads = 12
    c.head.guidance_layers = (8, 16)
    c.model.image_size = 336  # crops of 384 are resized to it: also 24 x 24 patches
    return c
