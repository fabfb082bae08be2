"""Checkpoints of the training state and the data position, by Orbax.

A checkpoint is written under a temporary name and renamed when complete, so every visible one can be
restored.
"""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import orbax.checkpoint as ocp

from hclip_jax.errors import UserError
from hclip_jax.training.state import TrainState


class TrainCheckpoints:
    """The checkpoints of one work directory; saving continues in the background.

    A context manager: leaving it waits until everything is on disk.
    """

    def __init__(self, directory: Path, max_to_keep: int):
        """Opens `directory`, which need not exist; the `max_to_keep` newest checkpoints are kept."""
        policies = ocp.checkpoint_managers
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(preservation_policy=policies.LatestN(max_to_keep)),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.wait_until_finished()
        self._manager.close()

    def latest(self) -> int | None:
        """The newest step; None without a checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, data: dict[str, Any]) -> None:
        """Saves the state after `step` updates and the data iterator's state, unless that step is saved."""
        if step == self.latest():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(data)),
            force=True,
        )

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """The newest state, with the shapes and shardings of `like`, and its data position."""
        step = self.latest()
        if step is None:
            raise UserError("there is no checkpoint to restore; train first")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract), data=ocp.args.JsonRestore()),
        )
        return restored["state"], restored["data"]
