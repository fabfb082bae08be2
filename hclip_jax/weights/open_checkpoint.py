"""Opens weights of other programs as a `Checkpoint`: detects the format, checks it, maps names lazily."""

from pathlib import Path

from hclip_jax.config.schema import ClipConfig
from hclip_jax.config.validate import check_architecture, check_clip
from hclip_jax.weights.checkpoint import Checkpoint, ModelSpec, param_shapes
from hclip_jax.weights.detect import detect_format
from hclip_jax.weights.layouts import layout
from hclip_jax.weights.reference_defaults import PROTOCOL
from hclip_jax.weights.weight_file import open_weights


def open_checkpoint(path: Path, like: ClipConfig | None = None, activation: str = "") -> Checkpoint:
    """Opens CLIP, CAT-Seg or H-CLIP in the formats of other programs.

    Args:
        path: a file, or the folder it lies in.
        like: see `detect_format`.
        activation: see `detect_format`.

    Raises:
        UserError: the file cannot be read, has no known format, or its names and shapes are not those of its
            format.
    """
    file = open_weights(path)
    where = str(file.path)
    detected = detect_format(file, like, activation)
    layout.check(detected.tensors, file.tensors, where, detected.is_buffer)
    check_clip(detected.clip, where)
    spec = None
    if detected.architecture is not None:
        check_architecture(detected.architecture, where)
        spec = ModelSpec(detected.architecture, PROTOCOL, ())
    parts = frozenset(part.path.split("/")[0] for tensor in detected.tensors for part in tensor.parts)
    shapes = param_shapes(detected.clip, detected.architecture, parts)
    return Checkpoint(
        where,
        f"{detected.kind}, {file.path.name}",
        detected.clip,
        spec,
        layout.read(detected.tensors, file.tensors, shapes, where),
        buffers=tuple(sorted(name for name in file.tensors if detected.is_buffer(name))),
        activation_assumed=detected.activation_assumed,
    )
