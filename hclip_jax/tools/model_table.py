"""Description of a model for the terminal."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
from rich.table import Column, Table
from rich.text import Text

from hclip_jax.config.schema import ImageTower, TextTower
from hclip_jax.errors import some
from hclip_jax.io.files import sha256_of
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.clip_features import clip_features, fixed_inputs
from hclip_jax.weights.reference_defaults import OPENAI_FILES


def model_table(checkpoint: Checkpoint) -> Table:
    """Table with origin, sizes, parameters and dtypes of a model, and the sha256 if it is a file."""
    table = Table("model", Column(Text(checkpoint.source), overflow="fold"))  # Text: file names are no markup
    clip = checkpoint.clip
    table.add_row(
        "image tower", _tower(clip.image) + f", patches of {clip.image.patch_size} at {clip.image.image_size}"
    )
    table.add_row(
        "text tower", _tower(clip.text) + f", {clip.text.context_length} tokens of {clip.text.vocab_size}"
    )
    assumed = " (assumed: --activation)" if checkpoint.activation_assumed else ""
    table.add_row("embedding", f"{clip.embed_dim} dimensions")
    table.add_row("activation", f"{clip.activation}{assumed}")
    for part in checkpoint.parts:
        params = checkpoint.only(part).params.values()
        count = sum(math.prod(param.shape) for param in params)
        dtypes = Counter(str(param.dtype) for param in params)
        table.add_row(part, f"{count:,} parameters, {', '.join(sorted(dtypes))}")
    if checkpoint.buffers:
        table.add_row(
            "left out",
            Text(f"{len(checkpoint.buffers)} buffers without parameters: {some(checkpoint.buffers)}"),
        )
    if checkpoint.objects:
        table.add_row("not read", Text(f"objects of {some(checkpoint.objects)}"))
    path = Path(checkpoint.where)
    if path.is_file():
        sha256 = sha256_of(path)
        table.add_row("sha256", sha256)
        table.add_row("", f"known: {OPENAI_FILES[sha256]}" if sha256 in OPENAI_FILES else "of no known file")
    return table


def feature_lines(checkpoint: Checkpoint) -> list[str]:
    """Lengths and checksums of the features of fixed inputs: equal on every machine, to four digits."""
    images, tokens = fixed_inputs(checkpoint.clip)
    params = checkpoint.only("clip").load_params()["clip"]
    features = clip_features(checkpoint.clip, params, images, tokens)
    lines = []
    for name, rows in (("image", features.image), ("text", features.text)):
        for i, row in enumerate(rows):
            weights = np.cos(np.arange(len(row)))  # all different, so that exchanged entries change the sum
            lines.append(f"{name} {i}: length {np.linalg.norm(row):.4g}, checksum {row @ weights:.4g}")
    return lines


def _tower(tower: ImageTower | TextTower) -> str:
    return f"{tower.num_layers} layers, width {tower.width}, {tower.num_heads} heads"
