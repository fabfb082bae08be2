"""The weights of a work directory."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import unflatten_dict
from jax.sharding import Mesh

from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import place
from hclip_jax.training.checkpoints import restore
from hclip_jax.training.choose import choose_checkpoint
from hclip_jax.training.init import initial_params
from hclip_jax.training.inputs import check_class_names, check_clip, check_start, clip_fingerprint
from hclip_jax.training.start import open_start
from hclip_jax.training.state import join, split
from hclip_jax.training.workdir import is_workdir
from hclip_jax.weights.checkpoint import PARTS, param_shapes


def restore_params(
    config: Config, model: Model, workdir: Path, mesh: Mesh, step: int | str | None = None
) -> tuple[Params, int]:
    """The weights of a checkpoint and its step; initial weights and 0 if no training has started.

    The state of the optimizer is not read.

    Args:
        config: as it was trained with.
        model: of that configuration.
        workdir: the work directory.
        mesh: devices to put the weights on.
        step: of the checkpoint, or "best"; the newest by default.

    Raises:
        UserError: the initial weights cannot be read (see `initial_params`) or are not those of the training,
            the checkpoint is damaged, or there is none of `step`, or none at all after a start.
    """
    checkpoint = choose_checkpoint(workdir, step)
    if checkpoint is None and is_workdir(workdir):
        raise UserError(
            f"{workdir} has no checkpoint yet, so its model is untrained; train at least until step "
            f"{min(config.train.checkpoint_every, config.train.num_train_steps)} (train.checkpoint_every)"
        )
    start = open_start(config)
    trained = config.train.trainable if checkpoint else ()
    frozen = initial_params(model, config.seed, mesh, start, set(PARTS).difference(trained))
    if "clip" in frozen:
        check_clip(workdir, config, clip_fingerprint(config, frozen["clip"]))
    check_start(workdir, config, start.fingerprint if start else "")
    if checkpoint is None:
        return frozen, 0
    check_class_names(workdir)
    like = {"step": jax.ShapeDtypeStruct((), jnp.int32), "trainable": _shapes(model, trained)}
    state, _ = restore(workdir, checkpoint, like)
    _, frozen = split({**frozen, **state["trainable"]}, trained)
    return join(place(state["trainable"], mesh, "params"), frozen), checkpoint.step


def _shapes(model: Model, parts: tuple[str, ...]) -> Params:
    """Shapes of the parameters of some parts; a part may have none."""
    shapes = param_shapes(model.architecture.clip, model.architecture, frozenset(parts))
    leaves = {path: jax.ShapeDtypeStruct(shape, jnp.float32) for path, shape in shapes.items()}
    tree: Any = unflatten_dict(leaves, sep="/")
    return {part: tree.get(part, {}) for part in parts}
