"""checkpoints/best.json: the step whose evaluation has the best figure; its checkpoint is kept."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hclip_jax import processes
from hclip_jax.config.schema import EvaluationConfig
from hclip_jax.errors import UserError, printable
from hclip_jax.evaluation.confusion_matrix import METRICS, OPEN_METRICS
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import read_json

NAME = "best.json"
_OWN_SET = "val"
_MAX_VALUE = 2**53  # integers of JSON have any size

Evaluation = Mapping[str, Mapping[str, float | None]]


class Best(NamedTuple):
    """The evaluation with the best figure."""

    step: int
    metric: str  # SET/FIGURE
    value: float
    settings: str = ""  # digest of the evaluation's settings; older work directories have none


def settings_digest(evaluation: EvaluationConfig) -> str:
    """A digest of what figures depend on: those of other images or of another protocol cannot be compared."""
    figures = dataclasses.replace(evaluation, batch_size=1, num_overlays=0, suite="")
    return hashlib.blake2b(repr(figures).encode(), digest_size=8).hexdigest()


def read_best(folder: Path) -> Best | None:
    """The best evaluation of a training.

    Args:
        folder: its checkpoints.

    Returns:
        The evaluation, of whose checkpoint nothing is known; None if there is no file.

    Raises:
        UserError: the file is broken.
    """
    path = folder / NAME
    if not path.exists():
        return None
    match read_json(path, "remove it; the best evaluation from then on counts"):
        case {"step": int(step), "metric": str(metric), "value": int() | float() as value, **others}:
            if type(step) is int and step > 0 and abs(value) < _MAX_VALUE:  # false for NaN
                return Best(step, metric, float(value), str(others.get("settings", "")))
    raise UserError(
        f"{path} has no step, metric and value; remove it; the best evaluation from then on counts"
    )


def forget_gone(folder: Path, steps: Collection[int]) -> None:
    """Removes the file if its checkpoint is gone: it would name a new one of the same step.

    Args:
        folder: the checkpoints.
        steps: of those that are there.

    Raises:
        UserError: the file is broken.
        OSError: it cannot be removed.
    """
    best = read_best(folder)
    if best and best.step not in steps:
        (folder / NAME).unlink()


def find_metric(metric: str, sets: Collection[str]) -> str:
    """The full name SET/FIGURE of `config.train.best_metric`.

    Args:
        metric: SET/FIGURE, FIGURE for that of `val` or else of the first set, or "" for none.
        sets: names of the evaluation sets.

    Returns:
        The name; empty without a metric, or for a figure without any set.

    Raises:
        UserError: there is no such set or figure.
    """
    set_name, _, figure = metric.rpartition("/")
    figures = (*METRICS, *OPEN_METRICS)
    if not metric or (not set_name and figure in figures and not sets):
        return ""
    if figure not in figures or (set_name and set_name not in sets):
        raise UserError(
            f"config.train.best_metric is '{printable(metric)}'; it must be SET/FIGURE, with a set of "
            f"{', '.join(sets) or 'none'} and a figure of {', '.join(figures)}; or a FIGURE alone; or empty"
        )
    return f"{set_name or (_OWN_SET if _OWN_SET in sets else next(iter(sets)))}/{figure}"


class BestKeeper:
    """The best evaluation of a training that goes on; as a policy of Orbax it preserves its checkpoint."""

    def __init__(self, folder: Path, metric: str, steps: Collection[int], settings: str = ""):
        """Continues from the file, unless its checkpoint is gone.

        Args:
            folder: the checkpoints.
            metric: SET/FIGURE; "" keeps what was the best so far.
            steps: of the checkpoints that are there.
            settings: the `settings_digest` of the evaluations.

        Raises:
            UserError: the file is broken.
        """
        self._path, self._metric, self._settings = folder / NAME, metric, settings
        self._best = read_best(folder)
        if self._best and self._best.step not in steps:
            self._best = None

    def better(self, step: int, evaluation: Evaluation) -> Best | None:
        """The evaluation after `step` updates if its figure is better than the best so far, and None if not.

        A figure that is absent or not finite is never the best, nor is that before the first step, whose
        model is the start. Figures of another metric or of other settings do not count.
        """
        set_name, _, figure = self._metric.rpartition("/")
        value = evaluation.get(set_name, {}).get(figure)
        if not step or value is None or not math.isfinite(value):
            return None
        new = Best(step, self._metric, value, self._settings)
        former = self._best
        if former is None or (former.metric, former.settings) != (new.metric, new.settings):
            return new
        return new if new.value > former.value else None

    def keep(self, best: Best) -> None:
        """Makes it the best one; its checkpoint is on disk. The primary process writes the file.

        Raises:
            UserError: the file cannot be written.
        """
        self._best = best
        if processes.is_primary():
            fields = {name: value for name, value in best._asdict().items() if value != ""}
            write_atomically(self._path, json.dumps(fields) + "\n")

    def should_preserve(self, checkpoints: Sequence[Any], *, context: object) -> list[bool]:
        """For each checkpoint, whether it is the best; the method that Orbax calls."""
        del context
        return [self._best is not None and one.step == self._best.step for one in checkpoints]
