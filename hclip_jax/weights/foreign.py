"""Other people's files as models: recognised, checked, ready to be read leaf by leaf."""

from pathlib import Path
from typing import Any

import jax

from hclip_jax.config_schema import ClipConfig
from hclip_jax.model import Model, init_clip
from hclip_jax.weights.published import PROTOCOL
from hclip_jax.weights.recognise import Recognised, recognise
from hclip_jax.weights.stored_model import Segmenting, StoredModel
from hclip_jax.weights.tensor_map import check, leaves
from hclip_jax.weights.weight_file import WeightFile, open_weights


def open_foreign(path: Path, like: ClipConfig | None = None, activation: str = "") -> StoredModel:
    """Opens CLIP, CAT-Seg or H-CLIP as others store it.

    Args:
        path: a file, or the folder it lies in.
        like: see `recognise`.
        activation: see `recognise`.

    Raises:
        UserError: it cannot be read, is of no known kind, or its tensors are not those of its kind.
    """
    file = open_weights(path)
    return as_model(file, recognise(file, like, activation))


def as_model(file: WeightFile, found: Recognised) -> StoredModel:
    """The model that a file holds.

    Raises:
        UserError: its tensors are not those of its kind: the three-way difference.
    """
    where = str(file.path)
    check(found.tensors, file.tensors, where, found.leftover)
    segmenting = None if found.architecture is None else Segmenting(found.architecture, PROTOCOL, ())
    unused = tuple(sorted(name for name in file.tensors if found.leftover(name)))
    made = leaves(found.tensors, file.tensors, _like(found), where)
    return StoredModel(where, f"{found.kind}, {file.path.name}", found.clip, segmenting, made, unused=unused)


def _like(found: Recognised) -> Any:
    """Our tree of shapes, of the parts that the file holds."""
    rng = jax.random.key(0)
    if found.architecture is None:
        return {"clip": jax.eval_shape(lambda r: init_clip(found.clip, r, r), rng)}
    shapes = jax.eval_shape(Model(found.architecture).init, rng)
    held = {part.leaf.split("/")[0] for tensor in found.tensors for part in tensor.parts}
    return {part: tree for part, tree in shapes.items() if part in held}
