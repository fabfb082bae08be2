"""Selects a checkpoint of a work directory, newest, best or by its step; damaged ones are named."""

import re
from pathlib import Path
from typing import NamedTuple

from hclip_jax import processes
from hclip_jax.errors import UserError, some
from hclip_jax.io.copies import move_folder, remove_folder
from hclip_jax.io.paths import is_address
from hclip_jax.io.progress import console
from hclip_jax.training.best import NAME as BEST
from hclip_jax.training.best import read_best
from hclip_jax.training.checksums import find_damage

FOLDER, SET_ASIDE = "checkpoints", "checkpoints_set_aside"
COMMITTED = "commit_success.txt"
"""The last file of a checkpoint at an address; elsewhere, checkpoints get their names last."""
_TEMPORARY = ".orbax-checkpoint-tmp"
_STEP = re.compile("0|[1-9][0-9]*")


class ChosenCheckpoint(NamedTuple):
    """A checkpoint whose files are those that were written."""

    step: int
    folder: Path
    others: tuple[int, ...]  # steps of the other checkpoints in the work directory


def list_steps(workdir: Path) -> list[int]:
    """The steps of all checkpoints, damaged ones included; names that are no step do not count.

    Raises:
        UserError: the folder with the checkpoints cannot be read.
    """
    steps = _list_names(workdir)
    if is_address(workdir):
        steps = [step for step in steps if (workdir / FOLDER / str(step) / COMMITTED).exists()]
    return steps


def remove_incomplete(workdir: Path) -> None:
    """Removes what a killed training left of a checkpoint that it was writing.

    Raises:
        UserError: the folder with the checkpoints cannot be read.
    """
    folder = workdir / FOLDER
    if is_address(workdir):
        whole = list_steps(workdir)
        incomplete = [folder / str(step) for step in _list_names(workdir) if step not in whole]
    else:
        incomplete = list(folder.glob(f"*{_TEMPORARY}*"))
    for path in incomplete:
        remove_folder(path)


def _list_names(workdir: Path) -> list[int]:
    folder = workdir / FOLDER
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(
            f"{folder} cannot be read ({error.strerror}); it must be a folder that you may read"
        ) from error
    return sorted(int(name) for name in names if _STEP.fullmatch(name))


def choose_checkpoint(workdir: Path, step: int | str | None = None) -> ChosenCheckpoint | None:
    """Selects the newest checkpoint, or that of `step`, which may be "best", and verifies its checksums.

    Every process must call it; the primary alone reads the files for their checksums, and the others wait.

    Returns:
        The checkpoint; None if there is none and `step` is None.

    Raises:
        UserError: it is damaged, or there is none of `step`, or none is known as the best, or processes see
            different ones.
    """
    chosen = _choose(workdir, step)
    processes.agree(checkpoint=str(chosen and chosen.step))
    return chosen


def step_of(workdir: Path, step: int | str | None) -> int | None:
    """The step of the best checkpoint for "best"; what else is given stays.

    Raises:
        UserError: no checkpoint is known as the best, or it is not there any more.
    """
    if not isinstance(step, str):
        return step
    best = read_best(workdir / FOLDER)
    if best is None:
        raise UserError(
            f"{workdir} has no best checkpoint ({FOLDER}/{BEST}): none was evaluated in the training, or "
            f"config.train.best_metric was empty; give --checkpoint a step, or leave it out for the newest"
        )
    if best.step not in list_steps(workdir):
        raise UserError(
            f"{workdir / FOLDER / BEST} names step {best.step}, whose checkpoint is not there any more; give "
            f"--checkpoint a step, or leave it out for the newest"
        )
    return best.step


def _choose(workdir: Path, step: int | str | None) -> ChosenCheckpoint | None:
    chosen = _chosen_step(workdir, step)
    steps = list_steps(workdir)  # after it, so that one that is new is among them
    if chosen is None:
        return None
    if chosen not in steps:
        found = f"has those of step {some(map(str, reversed(steps)))}" if steps else "has none"
        raise UserError(f"{workdir} has no checkpoint of step {chosen}; it {found}")
    folder = workdir / FOLDER / str(chosen)
    damage = find_damage(folder, chosen) if processes.is_primary() else ""
    if damage and _chosen_step(workdir, step) != chosen:
        return _choose(workdir, step)  # a training replaced it meanwhile
    if damage:
        raise damaged(workdir, chosen, damage)
    if damage is None:
        console.print(
            f"{folder} has no checksums, because an older hclip_jax wrote it or they were removed: damage "
            f"would not be noticed",
            markup=False,
        )
    return ChosenCheckpoint(chosen, folder, tuple(other for other in steps if other != chosen))


def _chosen_step(workdir: Path, step: int | str | None) -> int | None:
    """The step that is asked for; the newest for None, which is None without any checkpoint."""
    return max(list_steps(workdir), default=None) if step is None else step_of(workdir, step)


def damaged(workdir: Path, step: int, damage: str) -> UserError:
    """The error for a damaged checkpoint, with the newest whole one before it."""
    older = [other for other in reversed(list_steps(workdir)) if other < step]
    whole = next((other for other in older if not find_damage(workdir / FOLDER / str(other), other)), None)
    if whole is None:
        fix = "there is no older one, so copy it again, or train in another --workdir"
    else:
        fix = f"copy it again, or give --checkpoint={whole} to use that of step {whole}, which is whole"
    return UserError(f"{workdir / FOLDER / str(step)} is damaged ({damage}); {fix}")


def set_newer_aside(workdir: Path, checkpoint: ChosenCheckpoint) -> None:
    """Moves checkpoints after the chosen one out of the way of a training that will write them again.

    Raises:
        UserError: they cannot be moved.
    """
    newer = [step for step in checkpoint.others if step > checkpoint.step]
    if not newer:
        return
    aside = workdir / SET_ASIDE
    try:
        aside.mkdir(exist_ok=True)
        for step in newer:
            move_folder(workdir / FOLDER / str(step), _free_name(aside, str(step)), COMMITTED)
    except OSError as error:
        raise UserError(
            f"{workdir / FOLDER} cannot be changed ({error.strerror}); it must be a folder you may write to"
        ) from error
    console.print(f"newer checkpoints ({some(map(str, newer))}) are moved to {aside}", markup=False)


def _free_name(folder: Path, name: str) -> Path:
    """A path in `folder` that does not exist: `name`, or `name` with a number."""
    number = 1
    path = folder / name
    while path.exists():
        number += 1
        path = folder / f"{name}_{number}"
    return path
