"""Opens a model in any form: a model directory, a work directory, files of other programs."""

from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError
from hclip_jax.io.paths import is_address, to_path
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.training.workdir import is_workdir, read_config_json, read_trained_class_names
from hclip_jax.weights.checkpoint import Checkpoint, ModelSpec
from hclip_jax.weights.hub.download import local_path as hub_path
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import is_model_directory, load_model
from hclip_jax.weights.open_checkpoint import open_checkpoint


def open_model(
    path: str | Path,
    base: str | Path | None = None,
    activation: str = "",
    checkpoint: int | str | None = None,
) -> Checkpoint:
    """Opens a model.

    Args:
        path: a model directory, a work directory, or a file or folder in a format of
            `weights.detect`; or the name of one on the Hugging Face Hub, see `weights.hub`.
        base: CLIP for a directory that holds adapters without it.
        activation: activation of a CLIP whose file does not state it, see `weights.detect`.
        checkpoint: step of the checkpoint of a work directory, or "best"; the newest by default.

    Raises:
        UserError: nothing exists at `path`, it cannot be read or has no such checkpoint, it states another
            activation, or `base` is not the CLIP that the adapters were trained on.
    """
    path = to_path(hub_path(path))
    try:
        if is_address(path) and not path.exists():  # a folder there has no state
            raise FileNotFoundError
        if not is_address(path):
            path.stat()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        problem = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({reason})"
        raise UserError(
            f"{path} {problem}; give a model directory, the --workdir of a training, or a weights file"
        ) from error
    if is_workdir(path):
        model = _open_workdir(path, checkpoint)
    elif checkpoint is not None:
        raise UserError(f"{path} is not the --workdir of a training; leave the checkpoint {checkpoint} out")
    elif is_model_directory(path):
        model = load_model(path)
    else:
        model = open_checkpoint(path, activation=activation)
    if activation and model.clip.activation != activation:
        raise UserError(f"{path} states the activation {model.clip.activation}; leave --activation out")
    return model.on_base(open_model(base)) if base else model


def _open_workdir(workdir: Path, checkpoint: int | str | None) -> Checkpoint:
    # Here, because it imports Orbax, which takes longer to import than a model directory takes to open.
    from hclip_jax.training.restore import restore_params

    config = read_config_json(workdir)
    # One device, because the parameters are only copied to the host.
    params, step = restore_params(config, Model(config.architecture), workdir, make_mesh(1), checkpoint)
    arrays = flatten_dict(jax.device_get(params), sep="/")
    return Checkpoint(
        str(workdir),
        f"training {workdir.name}, step {step}, {_origin(config)}",
        config.clip,
        ModelSpec(config.architecture, config.protocol, read_trained_class_names(workdir)),
        {name: LazyArray.of(np.asarray(array)) for name, array in arrays.items()},
    )


def _origin(config: Config) -> str:
    return f"started from {config.start}" if config.start else f"CLIP from {config.clip.weights}"
