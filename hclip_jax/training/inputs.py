"""inputs.json: the weights, the class list and the data set that a training started from, beyond their paths.

Other weights under the same path give other labels, so they are refused. Another data set is allowed, but the
stream of batches is then another one.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from flax.traverse_util import flatten_dict

from hclip_jax.config.schema import Config
from hclip_jax.data.types import Source
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import read_json
from hclip_jax.models.params import Params
from hclip_jax.training.init import RANDOM
from hclip_jax.training.workdir import read_trained_class_names
from hclip_jax.weights.checkpoint import fingerprint

_NAME = "inputs.json"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The fields of inputs.json.

    Attributes:
        clip_fingerprint: of the frozen CLIP; empty if it is random, trained or that of a start.
        class_digest: of the class names.
        num_images: number of images of the data set.
        data_digest: see `data.types.Source.digest`.
        start_fingerprint: see `training.start.Start`; empty without a start.
    """

    clip_fingerprint: str
    class_digest: str
    num_images: int
    data_digest: str
    start_fingerprint: str = ""  # absent from files of older versions


def find_inputs(config: Config, clip: Params, source: Source, start_fingerprint: str = "") -> Inputs:
    """The inputs of a training with initial parameters `clip` of CLIP."""
    return Inputs(
        clip_fingerprint=clip_fingerprint(config, clip),
        class_digest=_class_digest(source.class_names),
        num_images=len(source),
        data_digest=source.digest(),
        start_fingerprint=start_fingerprint,
    )


def read_inputs(workdir: Path) -> Inputs | None:
    """The inputs of the training in `workdir`; None if an older version started it.

    Raises:
        UserError: the file is broken.
    """
    path = workdir / _NAME
    if not path.exists():
        return None
    fix = "copy it again, or remove it to go on without a comparison"
    tree: Any = read_json(path, fix)
    kinds = {field.name: field.type for field in dataclasses.fields(Inputs)}
    if isinstance(tree, dict):
        tree = {"start_fingerprint": "", **tree}
    if not isinstance(tree, dict) or {name: type(value) for name, value in tree.items()} != kinds:
        raise UserError(f"{path} must have {', '.join(kinds)}; {fix}")
    return Inputs(**tree)


def write_inputs(workdir: Path, inputs: Inputs) -> None:
    """Writes inputs.json.

    Raises:
        UserError: it cannot be written.
    """
    write_atomically(workdir / _NAME, json.dumps(dataclasses.asdict(inputs), indent=2) + "\n")


def clip_fingerprint(config: Config, clip: Params) -> str:
    """The fingerprint of frozen parameters of CLIP; empty if they are random, trained or those of a start."""
    # Random numbers and folded adapters may differ in the last bit between devices.
    if config.start or config.clip.weights == RANDOM or "clip" in config.train.trainable:
        return ""
    return fingerprint(flatten_dict(jax.device_get({"clip": clip}), sep="/"))


def check_clip(workdir: Path, config: Config, found: str) -> None:
    """Checks that a training in `workdir`, if there is one, started from the CLIP with this fingerprint.

    Raises:
        UserError: it started from others, or inputs.json is broken.
    """
    trained = read_inputs(workdir)
    if trained is not None:
        what = f"{config.clip.weights} is not the CLIP that {workdir} was trained on"
        _check_fingerprint(found, trained.clip_fingerprint, what)


def check_start(workdir: Path, config: Config, found: str) -> None:
    """Checks that a training in `workdir`, if there is one, started from the model with this fingerprint.

    Raises:
        UserError: it started from another one, or inputs.json is broken.
    """
    trained = read_inputs(workdir)
    if trained is not None:
        what = f"config.start={config.start} is not the model that {workdir} started from"
        _check_fingerprint(found, trained.start_fingerprint, what)


def _check_fingerprint(found: str, trained: str, what: str) -> None:
    if found and trained not in ("", found):
        raise UserError(
            f"{what} (the fingerprint of its weights is {found[:16]}, it was {trained[:16]}); restore these "
            f"weights, or train in another --workdir"
        )


def check_class_names(workdir: Path, class_names: Sequence[str] | None = None) -> None:
    """Checks that a training in `workdir`, if there is one, had these class names.

    Args:
        workdir: the work directory.
        class_names: by default those in its classes.txt.

    Raises:
        UserError: it had others, or inputs.json is broken.
    """
    trained = read_inputs(workdir)
    if trained is None:
        return
    if class_names is None:
        class_names = read_trained_class_names(workdir)
    if trained.class_digest != _class_digest(class_names):
        raise UserError(
            f"the class names in {workdir / 'classes.txt'} are not those of the training (their digest in "
            f"{_NAME} differs); restore that file"
        )


def _class_digest(class_names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(class_names).encode()).hexdigest()


def data_change(old: Inputs | None, new: Inputs) -> str:
    """One line on how the data set changed; empty if it did not, or that is not known."""
    if old is None or old.data_digest == new.data_digest:
        return ""
    counts = (
        f"{old.num_images:,} images were, {new.num_images:,} are"
        if old.num_images != new.num_images
        else f"some of its {new.num_images:,} images are others"
    )
    return f"the data set changed: {counts}; the exact stream of batches is not continued"
