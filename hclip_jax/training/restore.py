"""The newest weights of a work directory."""

from pathlib import Path

import optax
from jax.sharding import Mesh

from hclip_jax.config.schema import Config
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.training.checkpoints import TrainCheckpoints
from hclip_jax.training.init import initial_params
from hclip_jax.training.state import init_state, join, split


def restore_params(
    config: Config, model: Model, optimizer: optax.GradientTransformation, workdir: Path, mesh: Mesh
) -> tuple[Params, int]:
    """The newest weights of `workdir` and the number of updates so far; initial ones without a checkpoint.

    Raises:
        UserError: the initial weights cannot be read (see `initial_params`).
    """
    params = initial_params(model, config.seed, mesh)
    directory = workdir / "checkpoints"
    if not directory.is_dir():
        return params, 0
    with TrainCheckpoints(directory, config.train.max_to_keep) as checkpoints:
        if checkpoints.latest() is None:
            return params, 0
        trainable, frozen = split(params, config.train.trainable)
        state, _ = checkpoints.restore(init_state(trainable, optimizer))
        return join(state.trainable, frozen), int(state.step)
