"""A model from whatever it lies in: a model directory, a training's directory, other people's files."""

from pathlib import Path

import jax
import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.restore import restore_params
from hclip_jax.training.workdir import is_workdir, read_config_json, read_trained_class_names
from hclip_jax.weights.checkpoint import Checkpoint, ModelSpec
from hclip_jax.weights.layouts.layout import flatten
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import is_model_directory, load_model
from hclip_jax.weights.open_checkpoint import open_checkpoint


def open_model(path: str | Path, base: str | Path | None = None, activation: str = "") -> Checkpoint:
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
        model = open_checkpoint(path, activation=activation)
    if activation and model.clip.activation != activation:
        raise UserError(
            f"{path} says itself that its activation is {model.clip.activation}; do not give another"
        )
    return model.on_base(open_model(base)) if base else model


def _trained(workdir: Path) -> Checkpoint:
    config = read_config_json(workdir)
    model, optimizer = Model(config.architecture), make_optimizer(config.train)
    # One device: the weights are read, not used.
    params, step = restore_params(config, model, optimizer, workdir, make_mesh(1))
    arrays = flatten(jax.device_get(params))
    spec = ModelSpec(config.architecture, config.protocol, read_trained_class_names(workdir))
    source = f"training {workdir.name}, step {step}, CLIP from {config.clip.weights}"
    return Checkpoint(
        str(workdir),
        source,
        config.clip,
        spec,
        {path: LazyArray.of(np.asarray(x)) for path, x in arrays.items()},
    )
