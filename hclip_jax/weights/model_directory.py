"""Model directories: model.safetensors, and a config.json that says what it is the model of."""

import dataclasses
import hashlib
import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hclip_jax
from hclip_jax.adapters.hclip import PUBLISHED
from hclip_jax.config.schema import (
    AdapterConfig,
    Architecture,
    ClipConfig,
    HeadConfig,
    ModelConfig,
    PromptConfig,
    Protocol,
)
from hclip_jax.config.validate import build, check_architecture, check_clip, check_protocol, to_dict
from hclip_jax.errors import UserError, shown
from hclip_jax.io.files import new_folder, write_atomically
from hclip_jax.models.clip.image_encoder import MEAN, STD
from hclip_jax.weights.checkpoint import PARTS, Segmenting, StoredModel, expected
from hclip_jax.weights.layouts.layout import flatten
from hclip_jax.weights.safetensors_file import read_safetensors, write_safetensors

_WEIGHTS, _CARD = "model.safetensors", "config.json"
_FORMAT = 1
# Fields that directories of format 1 had of the adapters before there were other methods than the paper's.
_FIRST_ADAPTER_FIELDS = {"block", "coft_radius"}


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What is done to pixels before CLIP sees them, for programs that are not this one."""

    channels: str
    values: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


PREPROCESSING = Preprocessing("RGB", "0 to 255", MEAN, STD)


@dataclasses.dataclass(frozen=True)
class ClipCard:
    """config.json of a directory with CLIP alone."""

    hclip_jax_model: int  # version of this format
    written_by: str
    source: str
    parts: tuple[str, ...]
    weights_sha256: str
    base_fingerprint: str  # of the CLIP inside, or of that which adapters without CLIP belong to
    preprocessing: Preprocessing
    clip: ClipConfig


@dataclasses.dataclass(frozen=True)
class SegmenterCard(ClipCard):
    """config.json of a directory with a segmenter."""

    adapters: AdapterConfig
    head: HeadConfig
    model: ModelConfig
    prompts: PromptConfig
    protocol: Protocol
    classes: tuple[str, ...]


def is_model_directory(path: Path) -> bool:
    """Whether a folder was written by `save_model`."""
    try:
        return "hclip_jax_model" in json.loads((path / _CARD).read_text())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def save_model(target: Path, model: StoredModel) -> None:
    """Writes a model directory, whole or not at all, in the dtypes of the leaves.

    Raises:
        UserError: `target` exists, or cannot be written; or a leaf cannot be read.
    """
    common: dict[str, Any] = {
        "hclip_jax_model": _FORMAT,
        "written_by": f"hclip_jax {hclip_jax.__version__}",
        "source": model.source,
        "parts": model.parts,
        "base_fingerprint": model.fingerprint(),
        "preprocessing": PREPROCESSING,
        "clip": dataclasses.replace(model.clip, weights=""),
    }
    with new_folder(target) as folder:
        common["weights_sha256"] = write_safetensors(folder / _WEIGHTS, model.leaves, {"format": "flax"})
        if model.segmenting is None:
            card: Any = ClipCard(**common)
        else:
            a, protocol, classes = model.segmenting
            card = SegmenterCard(
                **common,
                adapters=a.adapters,
                head=a.head,
                model=a.model,
                prompts=a.prompts,
                protocol=protocol,
                classes=classes,
            )
        write_atomically(folder / _CARD, json.dumps(to_dict(card), indent=2, ensure_ascii=False) + "\n")


def load_model(path: Path) -> StoredModel:
    """Opens a model directory; values stay on disk, after their checksum was found right.

    Raises:
        UserError: a file is missing, broken or changed, or written by another version of the format.
    """
    card = _read_card(path / _CARD)
    where = f"{path / _CARD}: config"
    segmenting, architecture = None, None
    check_clip(card.clip, where)
    if isinstance(card, SegmenterCard):
        architecture = Architecture(card.clip, card.adapters, card.head, card.model, card.prompts)
        check_architecture(architecture, where)
        check_protocol(architecture, card.protocol, where)
        segmenting = Segmenting(architecture, card.protocol, card.classes)
    weights = path / _WEIGHTS
    if not weights.is_file():
        raise UserError(f"{path} has no {_WEIGHTS}; copy the whole directory")
    if _sha256(weights) != card.weights_sha256:
        raise UserError(
            f"{weights} is not the file that {path / _CARD} describes (its sha256 differs); copy the whole "
            f"directory anew"
        )
    leaves = read_safetensors(weights)
    wanted = flatten(expected(card.clip, architecture, frozenset(card.parts)))
    if differ := [p for p in {*wanted, *leaves} if _shape(wanted.get(p)) != _shape(leaves.get(p))]:
        raise UserError(
            f"{weights} does not hold what {path / _CARD} says: {len(differ)} parameters are missing, too "
            f"many or of another shape, such as {min(differ)}; copy the whole directory anew"
        )
    base = "" if "clip" in card.parts else card.base_fingerprint
    return StoredModel(str(path), card.source, card.clip, segmenting, leaves, base)


def _read_card(path: Path) -> ClipCard:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        version = tree["hclip_jax_model"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as a model's config.json ({error}); copy it anew") from error
    if version != _FORMAT:
        raise UserError(
            f"{path} is of format {reprlib.repr(version)}, but this version reads format {_FORMAT}; install "
            f"the hclip_jax it was written by ({shown(str(tree.get('written_by')))})"
        )
    adapters = tree.get("adapters")
    if isinstance(adapters, Mapping) and "method" not in adapters:
        later = {k: v for k, v in to_dict(PUBLISHED).items() if k not in _FIRST_ADAPTER_FIELDS}
        tree = {**tree, "adapters": {**later, **adapters}}
    kind = SegmenterCard if isinstance(tree, Mapping) and "head" in tree else ClipCard
    card = build(kind, tree, f"{path}: config")
    if card.preprocessing != PREPROCESSING:
        raise UserError(
            f"{path}: preprocessing differs from {PREPROCESSING}, which is all that is known here"
        )
    if not card.parts or any(part not in PARTS for part in card.parts):
        raise UserError(f"{path}: parts is {reprlib.repr(card.parts)}; it must be some of {', '.join(PARTS)}")
    return card


def _shape(leaf: Any) -> tuple[int, ...] | None:
    return None if leaf is None else tuple(leaf.shape)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
