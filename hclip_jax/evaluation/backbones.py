"""The names of CLIP's sizes under which figures are published."""

from hclip_jax.config.schema import ClipConfig

_BY_IMAGE_TOWER = {(12, 768, 16): "ViT-B/16", (12, 768, 32): "ViT-B/32", (24, 1024, 14): "ViT-L/14"}


def backbone(clip: ClipConfig) -> str:
    """The name of a CLIP by layers, width and patch size of its image tower; "" for other sizes."""
    return _BY_IMAGE_TOWER.get((clip.image.num_layers, clip.image.width, clip.image.patch_size), "")
