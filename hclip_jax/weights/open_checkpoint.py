"""Other people's files as models: recognised, checked, ready to be read leaf by leaf."""

from pathlib import Path

from hclip_jax.config.schema import ClipConfig
from hclip_jax.config.validate import check_architecture, check_clip
from hclip_jax.weights.checkpoint import Segmenting, StoredModel, expected
from hclip_jax.weights.detect import Recognised, recognise
from hclip_jax.weights.layouts.layout import check, leaves
from hclip_jax.weights.reference_defaults import PROTOCOL
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
    check_clip(found.clip, where)
    segmenting = None
    if found.architecture is not None:
        check_architecture(found.architecture, where)
        segmenting = Segmenting(found.architecture, PROTOCOL, ())
    unused = tuple(sorted(name for name in file.tensors if found.leftover(name)))
    held = (part.leaf.split("/")[0] for tensor in found.tensors for part in tensor.parts)
    like = expected(found.clip, found.architecture, frozenset(held))
    made = leaves(found.tensors, file.tensors, like, where)
    source = f"{found.kind}, {file.path.name}"
    return StoredModel(
        where, source, found.clip, segmenting, made, unused=unused, activation_assumed=found.assumed
    )
