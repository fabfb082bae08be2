"""Opens weights of other programs as a `Checkpoint`: detects the format, checks it, maps names lazily."""

import math
import os
import warnings
from pathlib import Path

from hclip_jax.config.schema import ClipConfig
from hclip_jax.config.validate import check_architecture, check_clip
from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint, ModelSpec, param_shapes
from hclip_jax.weights.detect import DetectedFormat, detect_format
from hclip_jax.weights.layouts import layout
from hclip_jax.weights.reference_defaults import PROTOCOL
from hclip_jax.weights.weight_file import WeightFile, open_weights

_MAX_EXPANSION = 8  # bytes of parameters for each byte of the file


def open_checkpoint(path: Path, like: ClipConfig | None = None, activation: str = "") -> Checkpoint:
    """Opens CLIP, CAT-Seg or H-CLIP in the formats of other programs.

    Args:
        path: a file, or the folder it lies in.
        like: see `detect_format`.
        activation: see `detect_format`.

    Warns if a property is taken from the published model, because the file does not state it.

    Raises:
        UserError: the file cannot be read, has no known format, or its names and shapes are not those of its
            format.
    """
    file = open_weights(path)
    where = str(file.path)
    detected = detect_format(file, like, activation)
    _check_size(detected, file)
    layout.check(detected.tensors, file.tensors, where, detected.is_buffer)
    check_clip(detected.clip, where)
    spec = None
    name = os.fsencode(file.path.name).decode(errors="replace")
    if detected.architecture is not None:
        check_architecture(detected.architecture, where)
        spec = ModelSpec(detected.architecture, PROTOCOL, ())
    if detected.published:
        warnings.warn(f"{where} is read with {detected.published}", stacklevel=2)
    parts = frozenset(part.path.split("/")[0] for tensor in detected.tensors for part in tensor.parts)
    shapes = param_shapes(detected.clip, detected.architecture, parts)
    return Checkpoint(
        where,
        ", ".join(filter(None, (detected.kind, f"{name}{file.origin}", detected.published))),
        detected.clip,
        spec,
        layout.read(detected.tensors, file.tensors, shapes, where),
        buffers=tuple(sorted(name for name in file.tensors if detected.is_buffer(name))),
        objects=file.objects,
        activation_assumed=detected.activation_assumed,
    )


def _check_size(detected: DetectedFormat, file: WeightFile) -> None:
    """Refuses a file of which many layers share a tensor: its model would be far larger than the file."""
    tensors = [file.tensors[t.name] for t in detected.tensors if t.name in file.tensors]
    num_bytes = sum(math.prod(tensor.shape) * tensor.dtype.itemsize for tensor in tensors)
    if file.size and num_bytes > _MAX_EXPANSION * file.size:
        raise UserError(
            f"{file.path} has {file.size:,} bytes, but its model would have {num_bytes:,}, because layers "
            f"share their tensors, as those of no known format do; give another file"
        )
