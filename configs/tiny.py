"""A small H-CLIP on built-in scenes: the whole system in minutes on a laptop.

Command   python -m hclip_jax.main --config=configs/tiny.py --workdir=runs/tiny
Hardware  2 CPU cores.

It starts from a small CLIP that comes with the package (hclip_jax/tools/pretrain_tiny.py), learns from pixel
labels of 22 names, and is judged by names that no pixel label ever named.

On photos of your own: --config.data.root=FOLDER (the other sets stay those of the scenes).
"""

from ml_collections import ConfigDict

from hclip_jax.configs import vitb


def get_config() -> ConfigDict:
    """The recipe of ViT-B/16, small."""
    c = vitb.get_config()
    c.clip.weights = "tiny"
    c.clip.embed_dim = 64
    c.clip.image.update(num_layers=4, width=96, num_heads=4, image_size=128)
    c.clip.text.update(num_layers=4, width=64, num_heads=2, vocab_size=2002, context_length=48)
    c.adapters.block_size = 32
    c.head.update(hidden_dim=32, window_size=4, guidance_dim=32, guidance_layers=(1, 2), prior_prob=0.03)
    c.head.update(decoder_dims=(16, 8), decoder_guidance_dims=(64, 32), decoder_guidance_proj_dims=(8, 4))
    c.model.image_size = 128  # 8 x 8 patches
    c.model.update(tower_remat_policy="none", head_remat_policy="none", class_chunk_size=256)  # it is small
    c.prompts.templates = ("a photo of a {}",)
    c.data.root = "scenes"  # by the names of the vocabulary "seen"
    c.data.crop_size = 128
    c.data.num_workers = 0

    c.train.update(
        num_train_steps=300,
        batch_size=4,
        learning_rate=2e-3,
        warmup_steps=30,
        max_grad_norm=1.0,
        unlabeled="ignore",
    )
    c.train.lr_multipliers.adapters = 0.3  # few steps, so longer ones
    c.train.update(log_every=25, checkpoint_every=100, evaluate_every=300, evaluate_first=True)

    # All compositions, five of which no training picture shows; and all of them by other words.
    c.evaluation.sets.open = vitb.evaluation_set(root="scenes", label_set="all")
    c.evaluation.sets.synonyms = vitb.evaluation_set(root="scenes", label_set="synonyms")
    c.evaluation.update(protocol="single", shortest_edge=128, longest_edge=512, canvas_size=192, stride=64)
    c.evaluation.update(batch_size=8, num_overlays=4)
    return c
