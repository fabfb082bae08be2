"""A small H-CLIP on built-in scenes: the whole system in minutes on a laptop.

Command   python -m hclip_jax.main --config=configs/tiny.py --workdir=runs/tiny
Hardware  2 CPU cores.
"""

from ml_collections import ConfigDict

from configs import vitb


def get_config() -> ConfigDict:
    """The recipe of ViT-B/16, small, with a CLIP that starts random and so trains along."""
    c = vitb.get_config()
    c.clip.weights = "random"
    c.clip.embed = 64
    c.clip.image.update(layers=4, width=128, heads=4, resolution=192)
    c.clip.text.update(layers=4, width=64, heads=2)
    c.adapters.block = 32
    c.head.update(hidden=32, heads=4, window=6, guidance=32, guidance_blocks=(1, 2))
    c.head.update(decoder=(32, 16), decoder_guidance=(64, 32), decoder_guidance_projection=(16, 8))
    c.model.resolution = 192  # 12 x 12 patches
    c.model.remat = False  # small enough to keep everything
    c.data.root = "scenes"
    c.data.crop = 192
    c.data.workers = 0

    c.train.update(steps=400, batch=8, learning_rate=2e-3, clip_norm=1.0, ignore="masked")
    c.train.trainable = ("clip", "adapters", "head")
    c.train.multipliers.update(clip=0.5, adapters=0.5)
    c.train.update(log_every=20, checkpoint_every=200, evaluate_every=400, evaluate_first=True)

    c.evaluation.update(short_side=192, longest_side=768, canvas=288, stride=96, batch=4)
    return c
