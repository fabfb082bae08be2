"""What the commands on weights tell of a model."""

import hashlib
import math
from collections import Counter
from pathlib import Path

import numpy as np
from rich.table import Column, Table

from hclip_jax.config.schema import ImageTower, TextTower
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.clip_features import clip_features, fixed_inputs
from hclip_jax.weights.reference_defaults import OPENAI_FILES


def model_table(model: Checkpoint, source: Path) -> Table:
    """Kind, sizes, parameters and dtypes of a model, and the sha256 of the file it came from."""
    table = Table("model", Column(model.source, overflow="fold"))
    clip = model.clip
    table.add_row(
        "image tower", _tower(clip.image) + f", patches of {clip.image.patch_size} at {clip.image.image_size}"
    )
    table.add_row(
        "text tower", _tower(clip.text) + f", {clip.text.context_length} tokens of {clip.text.vocab_size}"
    )
    assumed = " (assumed: --activation)" if model.activation_assumed else ""
    table.add_row("space, activation", f"{clip.embed_dim} dimensions, {clip.activation}{assumed}")
    for part in model.parts:
        leaves = model.only(part).params.values()
        count = sum(math.prod(leaf.shape) for leaf in leaves)
        dtypes = Counter(str(leaf.dtype) for leaf in leaves)
        table.add_row(part, f"{count:,} parameters, {', '.join(sorted(dtypes))}")
    if model.unused:
        table.add_row("left out", _some(model.unused))
    if source.is_file():
        digest = _sha256(source)
        table.add_row("sha256", digest)
        table.add_row("", f"known: {OPENAI_FILES[digest]}" if digest in OPENAI_FILES else "of no known file")
    return table


def feature_lines(model: Checkpoint) -> list[str]:
    """Checksums of what the towers say of fixed inputs: the same on every machine, to four digits."""
    images, tokens = fixed_inputs(model.clip)
    features = clip_features(model.clip, model.only("clip").load_params()["clip"], images, tokens)
    lines = []
    for name, rows in (("image", features.image), ("text", features.text)):
        for i, row in enumerate(rows):
            weights = np.cos(np.arange(len(row)))  # so that no two entries can be swapped unnoticed
            lines.append(f"{name} {i}: length {np.linalg.norm(row):.4g}, checksum {row @ weights:.4g}")
    return lines


def _tower(tower: ImageTower | TextTower) -> str:
    return f"{tower.num_layers} layers, width {tower.width}, {tower.num_heads} heads"


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return f"{len(names)} names that hold nothing learnt: {shown}{', ...' * (len(names) > 3)}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
