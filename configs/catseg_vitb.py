"""CAT-Seg ViT-B/16 (CVPR 2024), the baseline of H-CLIP: its released weights, and its recipe.

Command   export HCLIP_JAX_DATA=data  # the --target of hclip prepare
          hclip evaluate hf:spaces/hamacojr/CAT-Seg-weights/model_base.pth --suite=paper \
              --output=results/catseg_vitb  # the released weights, on all sets that are there
          hclip train --config=catseg_vitb --workdir=runs/catseg_vitb \
              --config.clip.weights=hf:openai/clip-vit-base-patch16
Hardware  one GPU evaluates; the time has not been measured.
Score     published mIoU A-847 / PC-459 / A-150 / PC-59 / PAS-20 / PAS-20b:
          12.0 / 19.0 / 31.8 / 57.5 / 94.6 / 77.3. Not yet reproduced with this code.

CAT-Seg fine-tunes the query and value kernels of both towers; all else is as in vitb.py.
"""

from ml_collections import ConfigDict

from hclip_jax.configs import vitb


def get_config() -> ConfigDict:
    """The recipe of ViT-B/16 with attention fine-tuning in place of rotations."""
    c = vitb.get_config()
    c.adapters = ConfigDict()
    c.adapters.method = "attention"
    c.adapters.towers = ("text", "image")  # tuned towers
    c.adapters.layers = ()  # tuned layers of every tower, from 1; empty = all
    c.adapters.targets = ("query", "value")  # tuned attention matrices
    return c
