"""The paper's ablation in miniature: methods of tuning a small CLIP, judged by words without pixel labels.

Command   python -m hclip_jax.tools.ablate --config=configs/ablation.py --workdir=runs/ablation --jobs=2
Hardware  2 CPU cores.
Result    docs/ablation.md

One training of it: python -m hclip_jax.main --config=configs/ablation.py --config.adapters.method=lora \
    --workdir=runs/lora
"""

from ml_collections import ConfigDict

from hclip_jax.configs import tiny, vitb

SEEDS = (0, 1, 2)

METHODS = {  # fields that differ from get_config(), which is H-CLIP as published
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
    "H-CLIP, random CLIP": ("clip.weights=random",),
}


def get_config() -> ConfigDict:
    """`configs/tiny.py`, judged on more pictures by all compositions and by synonyms."""
    c = tiny.get_config()
    c.train.update(log_every=50, checkpoint_every=300)
    c.train.evaluate_first = False
    c.evaluation.sets = ConfigDict()
    c.evaluation.sets.open = vitb.evaluation_set(label_set="all", split="test")
    c.evaluation.sets.synonyms = vitb.evaluation_set(label_set="synonyms", split="test")
    c.evaluation.num_overlays = 2
    return c
