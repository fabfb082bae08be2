"""The paper's ablation in miniature: tuning methods of a small CLIP, scored on classes without labels.

Command   hclip ablate --config=ablation --workdir=runs/ablation --jobs=2
Hardware  2 CPU cores.
Result    docs/ablation.md

A single training: hclip train --config=ablation --config.adapters.method=lora --workdir=runs/lora
"""

from ml_collections import ConfigDict

from hclip_jax.configs import tiny, vitb

SEEDS = (0, 1, 2)

METHODS = {  # overrides of get_config(), which is H-CLIP as published
    "H-CLIP": (),
    "POP only": ("adapters.parts=('pop',)",),
    "DCRC only": ("adapters.parts=('dcrc',)",),
    "not orthogonal": ("adapters.orthogonal=()",),
    "both orthogonal": ("adapters.orthogonal=('text','image')",),
    "OFT": ("adapters.method=oft",),
    "LoRA": ("adapters.method=lora",),
    "q and v": ("adapters.method=attention",),
    "full": ("adapters.method=full",),
    "frozen": ("adapters.method=none",),
    "H-CLIP (random CLIP)": ("clip.weights=random",),
}


def get_config() -> ConfigDict:
    """`tiny` with more evaluation images, of all compositions and of synonyms."""
    c = tiny.get_config()
    c.train.update(log_every=50, checkpoint_every=350)
    c.train.evaluate_first = False
    c.evaluation.sets = ConfigDict()
    c.evaluation.sets.open = vitb.evaluation_set(label_set="all", split="test")
    c.evaluation.sets.synonyms = vitb.evaluation_set(label_set="synonyms", split="test")
    c.evaluation.num_overlays = 2
    return c
