"""The weights of a training directory."""

from pathlib import Path

from jax.sharding import Mesh

from hclip_jax.config.schema import Config
from hclip_jax.models.hclip import Params
from hclip_jax.training.checkpoints import Checkpoints
from hclip_jax.training.init import initial_params
from hclip_jax.training.state import init_state, join, split


def restore_params(config: Config, workdir: Path, mesh: Mesh) -> tuple[Params, int]:
    """The newest weights of `workdir` and the updates behind them; without a checkpoint, the start's.

    Raises:
        UserError: the start's weights cannot be had (see `initial_params`).
    """
    params = initial_params(config, mesh)
    folder = workdir / "checkpoints"
    if not folder.is_dir():
        return params, 0
    checkpoints = Checkpoints(folder, config.train.keep_checkpoints)
    try:
        if checkpoints.latest() is None:
            return params, 0
        trainable, frozen = split(params, config.train.trainable)
        state, _ = checkpoints.restore(init_state(trainable, config))
        return join(state.trainable, frozen), int(state.step)
    finally:
        checkpoints.close()
