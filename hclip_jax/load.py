"""A model from whatever it lies in: a model directory, a training's directory, other people's files."""

from pathlib import Path

import jax
import numpy as np

from hclip_jax.config.schema import Architecture
from hclip_jax.errors import UserError
from hclip_jax.sharding import make_mesh
from hclip_jax.training.restore import restore_params
from hclip_jax.training.workdir import is_workdir, read_classes, read_config_json
from hclip_jax.weights.checkpoint import Segmenting, StoredModel
from hclip_jax.weights.layouts.layout import flatten
from hclip_jax.weights.lazy_array import Stored
from hclip_jax.weights.model_directory import is_model_directory, load_model
from hclip_jax.weights.open_checkpoint import open_foreign


def open_model(path: str | Path, base: str | Path | None = None, activation: str = "") -> StoredModel:
    """Opens a model.

    Args:
        path: a model directory, the directory of a training (its newest checkpoint), or a file or folder as
            others publish it.
        base: the CLIP of a directory that holds adapters without it.
        activation: of a CLIP whose file does not say it, see `weights.recognise`.

    Raises:
        UserError: there is nothing, it cannot be read, it says another activation, or `base` is not the
            CLIP it belongs to.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"{path} does not exist; give a model directory, the --workdir of a training, or a weights file"
        )
    if is_workdir(path):
        model = _trained(path)
    elif is_model_directory(path):
        model = load_model(path)
    else:
        model = open_foreign(path, activation=activation)
    if activation and model.clip.activation != activation:
        raise UserError(
            f"{path} says itself that its activation is {model.clip.activation}; do not give another"
        )
    return model.on_base(open_model(base)) if base else model


def _trained(workdir: Path) -> StoredModel:
    config = read_config_json(workdir)
    # One device: the model is to be read, not run.
    params, step = restore_params(config, workdir, make_mesh(1))
    arrays = flatten(jax.device_get(params))
    leaves = {path: Stored.of(np.asarray(value)) for path, value in arrays.items()}
    architecture = Architecture(config.clip, config.adapters, config.head, config.model, config.prompts)
    segmenting = Segmenting(architecture, config.protocol, read_classes(workdir))
    source = f"training {workdir.name}, step {step}, CLIP from {config.clip.weights}"
    return StoredModel(str(workdir), source, config.clip, segmenting, leaves)
