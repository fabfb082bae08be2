"""Checkpoints of the training state and the data position, by Orbax.

A checkpoint is written under a temporary name and renamed when it and its checksums are complete, so every
visible one can be restored. An object store cannot rename: there, a checkpoint counts when it has its last
file, `choose.COMMITTED`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jax
import orbax.checkpoint as ocp

from hclip_jax import processes
from hclip_jax.errors import UserError
from hclip_jax.io.paths import absolute, as_address, is_address
from hclip_jax.io.progress import console
from hclip_jax.training.best import BestKeeper, Evaluation
from hclip_jax.training.checksums import write_checksums
from hclip_jax.training.choose import FOLDER, ChosenCheckpoint, damaged, list_steps, remove_incomplete
from hclip_jax.training.quiet_orbax import mute_closed_loops, reason, without_reports
from hclip_jax.training.state import TrainState


class TrainCheckpoints:
    """Writes the checkpoints of one work directory in the background, for the only training in it.

    A context manager: leaving it waits until everything is on disk.
    """

    def __init__(self, workdir: Path, max_to_keep: int, best_metric: str = "", best_settings: str = ""):
        """Opens the folder, which need not exist.

        The `max_to_keep` newest checkpoints are kept, and the best by `best_metric` in evaluations of
        equal settings, see `BestKeeper`.
        """
        self._workdir, directory = workdir, workdir / FOLDER
        mute_closed_loops()
        if processes.is_primary():
            remove_incomplete(workdir)
        self._best = BestKeeper(directory, best_metric, list_steps(workdir), best_settings)
        policies = ocp.checkpoint_managers
        with self._saving():
            self._manager = ocp.CheckpointManager(
                absolute(directory),
                options=ocp.CheckpointManagerOptions(
                    preservation_policy=policies.AnyPreservationPolicy(
                        [policies.LatestN(max_to_keep), self._best]
                    ),
                    temporary_path_class=_CommittedWithChecksums if is_address(workdir) else _WithChecksums,
                    lightweight_initialize=True,  # reads no file of older checkpoints
                ),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._saving():
                self._manager.wait_until_finished()
                self._manager.close()
        except UserError:
            if not isinstance(error, Exception):  # a request to stop says that the state is saved
                raise

    def save(self, step: int, state: TrainState, data: dict[str, Any]) -> None:
        """Saves the state after `step` updates and the data iterator's state, unless that step is saved.

        Raises:
            UserError: this or the previous checkpoint could not be written.
        """
        if step == self._manager.latest_step():
            return
        with self._saving():
            self._manager.save(
                step,
                args=ocp.args.Composite(state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(data)),
                force=True,
            )

    def keep_if_best(
        self, step: int, evaluation: Evaluation, state: TrainState, data: dict[str, Any]
    ) -> None:
        """Saves as `save` if an evaluation is the best so far, and keeps that checkpoint until a better one.

        The former best is removed by a later save, so a killed training always has one.

        Raises:
            UserError: a checkpoint could not be written.
        """
        best = self._best.better(step, evaluation)
        if best is None:
            return
        self.save(step, state, data)
        self.latest()  # waits
        self._best.keep(best)
        console.print(f"step {step} is the best so far ({best.metric} {best.value:.2f})", markup=False)

    def latest(self) -> int | None:
        """The newest step on disk, after waiting for one that is being written; None without any.

        Raises:
            UserError: it could not be written.
        """
        with self._saving():
            self._manager.wait_until_finished()
        return max(list_steps(self._workdir), default=None)

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
        """Converts what Orbax raises for a full disk, thousands of lines, to a sentence."""
        try:
            yield
        except Exception as error:
            newest = max(list_steps(self._workdir), default=None)
            kept = "there is none yet" if newest is None else f"that of step {newest} is kept"
            raise UserError(
                f"a checkpoint cannot be written to {self._workdir / FOLDER} ({reason(error)}); {kept}: "
                f"make space or get permission to write there, then run the same command again"
            ) from error


def restore(
    workdir: Path, checkpoint: ChosenCheckpoint, like: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads a checkpoint that `choose_checkpoint` returned.

    Args:
        workdir: its work directory, for messages.
        checkpoint: the checkpoint.
        like: fields of `TrainState` to read, as arrays or their shapes; others are not read. Arrays of JAX
            are read with their shardings, and other ones to the host.

    Returns:
        The fields, and the data position.

    Raises:
        UserError: the checkpoint is damaged, or of another model.
    """
    folder = absolute(checkpoint.folder)
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    restore_args = ocp.checkpoint_utils.construct_restore_args(abstract)
    state, position, problem = {}, None, ""
    mute_closed_loops()
    with without_reports():
        try:
            with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
                state = reader.restore(
                    folder / "state",
                    args=ocp.args.PyTreeRestore(abstract, restore_args=restore_args, partial_restore=True),
                )
            with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
                position = reader.restore(folder / "data", args=ocp.args.JsonRestore())
        except Exception as error:  # Orbax raises many kinds
            problem = reason(error)
    if problem or not isinstance(position, dict):
        raise damaged(workdir, checkpoint.step, problem or "its data position is no object")
    if _shapes(state) != _shapes(abstract):
        raise UserError(
            f"{checkpoint.folder} is not of the model in {workdir / 'config.json'} (shapes differ); restore "
            f"config.json, or copy the checkpoint again"
        )
    if int(state["step"]) != checkpoint.step:
        raise damaged(workdir, checkpoint.step, f"it is the checkpoint of step {int(state['step'])}")
    return state, position


def _shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


class _WithChecksums(ocp.path.atomicity.AtomicRenameTemporaryPath):
    """A folder that gets its checksums before its final name."""

    async def finalize(self) -> None:
        step = self.get_final().name
        if step.isdigit():  # the checkpoint, not a folder in it
            write_checksums(Path(self.get()), int(step))
        await super().finalize()


class _CommittedWithChecksums(ocp.path.atomicity.CommitFileTemporaryPath):
    """A folder of an object store that gets its checksums before its commit file."""

    async def finalize(self) -> None:
        step = self.get_final().name
        if step.isdigit():
            write_checksums(as_address(self.get()), int(step))
        await super().finalize()
