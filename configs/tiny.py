"""A small H-CLIP on the built-in scenes: the whole system in minutes on a laptop.

Command   hclip train --config=tiny --workdir=runs/tiny
Hardware  2 CPU cores.
Result    docs/train.md, "The quickstart"

The training starts from a small CLIP that comes with the package (hclip_jax/tools/pretrain_tiny.py), uses
pixel labels of 22 classes, and is also evaluated on class names that no pixel label has.

--config.data.root=FOLDER trains on your labelled folder, without `open` and `synonyms`, sets of the scenes.
"""

from ml_collections import ConfigDict

from hclip_jax.configs import vitb


def get_config() -> ConfigDict:
    """The recipe of ViT-B/16 at a small size."""
    c = vitb.get_config()
    c.clip.weights = "tiny"
    c.clip.embed_dim = 64
    c.clip.image.update(num_layers=4, width=96, num_heads=4, image_size=192)
    c.clip.text.update(num_layers=4, width=64, num_heads=2, vocab_size=2002, context_length=48)
    c.adapters.block_size = 32
    c.head.update(hidden_dim=32, window_size=4, guidance_dim=32, guidance_layers=(1, 2), prior_prob=0.03)
    c.head.update(decoder_dims=(16, 8), decoder_guidance_dims=(64, 32), decoder_guidance_proj_dims=(8, 4))
    c.model.image_size = 192  # 12 x 12 patches
    # Memory is no limit.
    c.model.update(tower_remat_policy="none", head_remat_policy="none", class_chunk_size=256)
    c.prompts.templates = ("a photo of a {}",)
    c.data.root = "scenes"  # with the label set "seen"
    c.data.crop_size = 192
    c.data.num_workers = 0

    c.train.update(
        num_train_steps=350,
        batch_size=4,
        learning_rate=2e-3,
        warmup_steps=20,
        max_grad_norm=1.0,
        unlabeled="ignore",
    )
    c.train.lr_multipliers.adapters = 0.1  # more than published, for few steps
    c.train.update(log_every=25, checkpoint_every=100, evaluate_every=350, evaluate_first=True)

    # All compositions, five of which are in no training image; and the same classes by synonyms.
    c.evaluation.sets.open = vitb.evaluation_set(root="scenes", label_set="all")
    c.evaluation.sets.synonyms = vitb.evaluation_set(root="scenes", label_set="synonyms")
    c.evaluation.update(protocol="single", shortest_edge=192, longest_edge=768, canvas_size=288, stride=96)
    c.evaluation.update(batch_size=8, num_overlays=4, suite="")
    return c
