"""Other people's files as models: recognised, checked, ready to be read leaf by leaf."""

from pathlib import Path

from hclip_jax.config.schema import ClipConfig
from hclip_jax.config.validate import check_architecture, check_clip
from hclip_jax.weights.checkpoint import Checkpoint, ModelSpec, expected
from hclip_jax.weights.detect import DetectedFormat, detect_format
from hclip_jax.weights.layouts.layout import check, leaves
from hclip_jax.weights.reference_defaults import PROTOCOL
from hclip_jax.weights.weight_file import WeightFile, open_weights


def open_checkpoint(path: Path, like: ClipConfig | None = None, activation: str = "") -> Checkpoint:
    """Opens CLIP, CAT-Seg or H-CLIP as others store it.

    Args:
        path: a file, or the folder it lies in.
        like: see `detect_format`.
        activation: see `detect_format`.

    Raises:
        UserError: it cannot be read, is of no known kind, or its tensors are not those of its kind.
    """
    file = open_weights(path)
    return to_checkpoint(file, detect_format(file, like, activation))


def to_checkpoint(file: WeightFile, found: DetectedFormat) -> Checkpoint:
    """The model that a file holds.

    Raises:
        UserError: its tensors are not those of its kind: the three-way difference.
    """
    where = str(file.path)
    check(found.tensors, file.tensors, where, found.leftover)
    check_clip(found.clip, where)
    spec = None
    if found.architecture is not None:
        check_architecture(found.architecture, where)
        spec = ModelSpec(found.architecture, PROTOCOL, ())
    unused = tuple(sorted(name for name in file.tensors if found.leftover(name)))
    held = (part.leaf.split("/")[0] for tensor in found.tensors for part in tensor.parts)
    like = expected(found.clip, found.architecture, frozenset(held))
    made = leaves(found.tensors, file.tensors, like, where)
    source = f"{found.kind}, {file.path.name}"
    return Checkpoint(where, source, found.clip, spec, made, unused=unused, activation_assumed=found.assumed)
