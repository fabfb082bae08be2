"""A small H-CLIP on built-in scenes: the whole system in minutes on a laptop.

Command   python -m hclip_jax.main --config=configs/tiny.py --workdir=runs/tiny
Hardware  2 CPU cores.

On photos of your own: --config.data.root=FOLDER (the set "compositions" stays that of the scenes).
"""

from ml_collections import ConfigDict

from configs import vitb


def get_config() -> ConfigDict:
    """The recipe of ViT-B/16, small, with a CLIP that starts random and so has to train along."""
    c = vitb.get_config()
    c.clip.weights = "random"
    c.clip.embed = 64
    c.clip.image.update(layers=4, width=128, heads=4, resolution=128)
    c.clip.text.update(layers=4, width=64, heads=2)
    c.adapters.block = 32
    c.head.update(hidden=32, window=4, guidance=32, guidance_blocks=(1, 2))
    c.head.update(decoder=(16, 8), decoder_guidance=(64, 32), decoder_guidance_projection=(8, 4))
    c.model.resolution = 128  # 8 x 8 patches
    c.model.update(remat=False, classes_at_once=256)  # small enough to keep everything
    c.prompts.templates = ("{}",)  # a text tower that starts random hears the class among fewer words
    c.data.root = "scenes"
    c.data.crop = 128
    c.data.workers = 0

    c.train.update(steps=300, batch=8, learning_rate=2e-3, warmup=50, clip_norm=1.0, ignore="masked")
    c.train.trainable = ("clip", "adapters", "head")
    c.train.multipliers.update(clip=0.3, adapters=0.3)
    c.train.update(log_every=25, checkpoint_every=100, evaluate_every=300, evaluate_first=True)

    # Other words for the same pictures: colours and shapes together, "red circle". No colour is named in
    # training, so this shows that any vocabulary can be judged by, not that these words are understood.
    c.evaluation.sets.compositions = vitb.evaluation_set(root="scenes", vocabulary="all")
    c.evaluation.update(protocol="single", short_side=128, longest_side=512, canvas=192, stride=64)
    c.evaluation.update(batch=8, overlays=4)
    return c
