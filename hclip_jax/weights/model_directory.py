"""Model directories: model.safetensors, and a config.json that describes the model."""

import dataclasses
import reprlib
from pathlib import Path
from typing import Any

from hclip_jax.config.adapters import AdapterConfig
from hclip_jax.config.build import build, to_dict
from hclip_jax.config.schema import (
    Architecture,
    ClipConfig,
    HeadConfig,
    InferenceProtocol,
    ModelConfig,
    PromptConfig,
)
from hclip_jax.config.validate import check_architecture, check_clip, check_protocol
from hclip_jax.errors import UserError, printable
from hclip_jax.io.copies import local_copy
from hclip_jax.io.files import create_dir_atomically, sha256_of, write_atomically
from hclip_jax.io.json_file import format_json, read_json
from hclip_jax.io.substitutes import check_file
from hclip_jax.models.clip.preprocessing import IMAGE_MEAN, IMAGE_STD
from hclip_jax.version import __version__
from hclip_jax.weights.checkpoint import PARTS, Checkpoint, ModelSpec, param_shapes
from hclip_jax.weights.safetensors_file import read_safetensors, write_safetensors

_WEIGHTS, _CARD = "model.safetensors", "config.json"
_FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of pixels for CLIP, stated for other programs."""

    channels: str
    values: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


PREPROCESSING = Preprocessing("RGB", "0 to 255", IMAGE_MEAN, IMAGE_STD)


@dataclasses.dataclass(frozen=True)
class ClipCard:
    """The config.json of a directory with CLIP alone."""

    hclip_jax_model: int  # version of this format
    written_by: str
    source: str
    parts: tuple[str, ...]
    weights_sha256: str
    base_fingerprint: str  # of the CLIP in the directory, or of the CLIP that its adapters were trained on
    preprocessing: Preprocessing
    clip: ClipConfig


@dataclasses.dataclass(frozen=True)
class SegmenterCard(ClipCard):
    """The config.json of a directory with a segmenter."""

    adapters: AdapterConfig
    head: HeadConfig
    model: ModelConfig
    prompts: PromptConfig
    protocol: InferenceProtocol
    class_names: tuple[str, ...]


def is_model_directory(path: Path) -> bool:
    """Whether `save_model` wrote a folder."""
    try:
        return "hclip_jax_model" in read_json(path / _CARD, "")
    except (UserError, TypeError):
        return False


def save_model(target: Path, model: Checkpoint) -> None:
    """Writes a model directory atomically, in the dtypes of the parameters.

    Raises:
        UserError: `target` exists or cannot be written, or a parameter cannot be loaded.
    """
    fields: dict[str, Any] = {
        "hclip_jax_model": _FORMAT_VERSION,
        "written_by": f"hclip_jax {__version__}",
        "source": model.source,
        "parts": model.parts,
        "base_fingerprint": model.fingerprint(),
        "preprocessing": PREPROCESSING,
        "clip": dataclasses.replace(model.clip, weights=""),
    }
    with create_dir_atomically(target) as folder:
        fields["weights_sha256"] = write_safetensors(folder / _WEIGHTS, model.params, {"format": "flax"})
        if model.spec is None:
            card = ClipCard(**fields)
        else:
            architecture, protocol, class_names = model.spec
            card = SegmenterCard(
                **fields,
                adapters=architecture.adapters,
                head=architecture.head,
                model=architecture.model,
                prompts=architecture.prompts,
                protocol=protocol,
                class_names=class_names,
            )
        write_atomically(folder / _CARD, format_json(to_dict(card)))


def load_model(path: Path) -> Checkpoint:
    """Opens a model directory and verifies the checksum of its weights; values are not loaded.

    Raises:
        UserError: a file is missing, broken or changed, or has another version of the format. Loading a
            parameter raises it if a value is not finite.
    """
    card = _read_card(path / _CARD)
    where = f"{path / _CARD}: config"
    spec, architecture = None, None
    check_clip(card.clip, where)
    if isinstance(card, SegmenterCard):
        architecture = Architecture(card.clip, card.adapters, card.head, card.model, card.prompts)
        check_architecture(architecture, where)
        check_protocol(architecture, card.protocol, where)
        spec = ModelSpec(architecture, card.protocol, card.class_names)
    weights = path / _WEIGHTS
    check_file(weights, "copy the whole directory")
    weights = local_copy(weights)
    if sha256_of(weights) != card.weights_sha256:
        raise UserError(
            f"{weights} is not the file that the {_CARD} beside it describes (its sha256 differs); copy the "
            f"whole directory again"
        )
    params = {name: param.finite(f"{weights}: {name}") for name, param in read_safetensors(weights).items()}
    shapes = {name: param.shape for name, param in params.items()}
    expected = param_shapes(card.clip, architecture, frozenset(card.parts))
    if differ := [p for p in {*expected, *shapes} if expected.get(p) != shapes.get(p)]:
        raise UserError(
            f"{weights} does not fit the {_CARD} beside it: {len(differ):,} parameters are missing, "
            f"unexpected or of another shape, such as {printable(min(differ))}; copy the whole directory "
            f"again"
        )
    base_fingerprint = "" if "clip" in card.parts else card.base_fingerprint
    return Checkpoint(str(path), card.source, card.clip, spec, params, base_fingerprint)


def _read_card(path: Path) -> ClipCard:
    tree = read_json(path, "copy it again")
    if not isinstance(tree, dict) or "hclip_jax_model" not in tree:
        raise UserError(
            f"{path} is no config.json of a model directory (hclip_jax_model is missing); copy it again"
        )
    version = tree["hclip_jax_model"]
    if version != _FORMAT_VERSION:
        raise UserError(
            f"{path} has format {reprlib.repr(version)}, but this version reads format {_FORMAT_VERSION}; "
            f"install the hclip_jax that wrote it ({printable(str(tree.get('written_by')))})"
        )
    kind = SegmenterCard if "head" in tree else ClipCard
    card = build(kind, tree, f"{path}: config")
    if card.preprocessing != PREPROCESSING:
        raise UserError(f"{path}: preprocessing differs from {PREPROCESSING}, the only one that is supported")
    if not card.parts or any(part not in PARTS for part in card.parts):
        raise UserError(f"{path}: parts is {reprlib.repr(card.parts)}; it must be some of {', '.join(PARTS)}")
    return card
