"""The small CLIP that comes with the package: how a model that was trained on it is recognised."""

from hclip_jax.config.schema import ClipConfig

VOCAB_SIZE = 2002
"""Rows of its token embedding. No published CLIP has so few: its tokenizer has 49,408 tokens."""

NOTE = (
    "note: this model's CLIP is the small one of hclip_jax, which has seen drawings only: its labels of "
    "photos mean little; for photos, give --model=hf:spaces/hamacojr/CAT-Seg-weights/model_base.pth, or "
    "train on a published CLIP (docs/weights.md)"
)


def is_built_in(clip: ClipConfig) -> bool:
    """Whether a CLIP is the built-in one, in any version and however it was tuned, merged or converted.

    Tuning changes any weight, and a merged model says no origin: what stays is the number of tokens. Random
    weights of the same sizes are told apart where the origin is still known, in a work directory.
    """
    return clip.text.vocab_size == VOCAB_SIZE and clip.weights != "random"
