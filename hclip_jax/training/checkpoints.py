"""Checkpoints of the training state and the data position, by Orbax.

A step's folder is written under a temporary name and renamed when complete, so one that can be seen can
be restored.
"""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from hclip_jax.errors import UserError
from hclip_jax.training.state import TrainState


class Checkpoints:
    """The checkpoints of one training directory; saving goes on in the background."""

    def __init__(self, directory: Path, keep: int):
        """Opens `directory`, which need not exist; `keep` newest checkpoints stay."""
        policies = ocp.checkpoint_managers
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(preservation_policy=policies.LatestN(keep)),
        )

    def latest(self) -> int | None:
        """The newest step there is."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, data: dict[str, Any]) -> None:
        """Saves the state after `step` updates and the data iterator's state, unless it is there."""
        if step == self.latest():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(data)),
            force=True,
        )

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """The newest state, placed as the shapes and shardings of `like` say, and its data position."""
        step = self.latest()
        if step is None:
            raise UserError("there is no checkpoint to restore; train first")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract), data=ocp.args.JsonRestore()),
        )
        return restored["state"], restored["data"]

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()
