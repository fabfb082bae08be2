"""A small H-CLIP on built-in scenes: the whole system in minutes on a laptop.

Command   python -m hclip_jax.main --config=configs/tiny.py --workdir=runs/tiny
Hardware  2 CPU cores.

It starts from a small CLIP that comes with the package (hclip_jax/tools/pretrain_tiny.py), learns from pixel
labels of 22 names, and is judged by names that no pixel label ever named.

On photos of your own: --config.data.root=FOLDER (the other sets stay those of the scenes).
"""

from ml_collections import ConfigDict

from configs import vitb


def get_config() -> ConfigDict:
    """The recipe of ViT-B/16, small."""
    c = vitb.get_config()
    c.clip.weights = "tiny"
    c.clip.embed = 64
    c.clip.image.update(layers=4, width=96, heads=4, resolution=128)
    c.clip.text.update(layers=4, width=64, heads=2, vocabulary=2002, context=48)
    c.adapters.block = 32
    c.head.update(hidden=32, window=4, guidance=32, guidance_blocks=(1, 2), prior=0.03)
    c.head.update(decoder=(16, 8), decoder_guidance=(64, 32), decoder_guidance_projection=(8, 4))
    c.model.resolution = 128  # 8 x 8 patches
    c.model.update(keep_towers="everything", keep_head="everything", classes_at_once=256)  # it is small
    c.prompts.templates = ("a photo of a {}",)
    c.data.root = "scenes"  # by the names of the vocabulary "seen"
    c.data.crop = 128
    c.data.workers = 0

    c.train.update(steps=300, batch=4, learning_rate=2e-3, warmup=30, clip_norm=1.0, ignore="masked")
    c.train.multipliers.adapters = 0.3  # few steps, so longer ones
    c.train.update(log_every=25, checkpoint_every=100, evaluate_every=300, evaluate_first=True)

    # All compositions, five of which no training picture shows; and all of them by other words.
    c.evaluation.sets.open = vitb.evaluation_set(root="scenes", vocabulary="all")
    c.evaluation.sets.synonyms = vitb.evaluation_set(root="scenes", vocabulary="synonyms")
    c.evaluation.update(protocol="single", short_side=128, longest_side=512, canvas=192, stride=64)
    c.evaluation.update(batch=8, overlays=4)
    return c
