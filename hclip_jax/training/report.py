"""The output of a training run: parameter table, lines on steps and evaluations, throughput."""

import time
from collections.abc import Collection, Mapping

import jax
import jax.numpy as jnp
from rich.table import Table

from hclip_jax.adapters.methods import degrees_of_freedom
from hclip_jax.config.adapters import AdapterConfig
from hclip_jax.config.schema import TrainConfig
from hclip_jax.models.params import Params
from hclip_jax.training.optimizer import schedule


class Throughput:
    """Images a second since the last call, and goodput, both without compilation and evaluation."""

    def __init__(self, batch_size: int):
        """Starts with the first step; goodput with this call."""
        self._batch_size, self._images = batch_size, 0
        self._start: float | None = None  # of the images that are counted
        self._last: float | None = None  # the end of the last step
        self._began, self._step_seconds = time.perf_counter(), 0.0

    def tick(self) -> None:
        """Counts a finished step; the first one after a pause only starts the timer."""
        now = time.perf_counter()
        if self._start is None or self._last is None:
            self._start = now
        else:
            self._images += self._batch_size
            self._step_seconds += now - self._last
        self._last = now

    def pause(self) -> None:
        """Leaves out everything until the next step is finished."""
        self._start, self._last, self._images = None, None, 0

    def goodput(self) -> dict[str, float]:
        """Seconds since the first step was prepared, and those of its steps, from one to the next."""
        seconds = time.perf_counter() - self._began
        return {"seconds": round(seconds, 3), "step_seconds": round(self._step_seconds, 3)}

    def images_per_second(self) -> float | None:
        """Images a second since the last call; None if no whole step was timed."""
        if not self._images or self._start is None:
            return None
        now = time.perf_counter()
        rate = self._images / (now - self._start)
        self._start, self._images = now, 0
        return rate


def parameter_counts(params: Params, trainable: Collection[str]) -> list[tuple[str, int, int]]:
    """Rows (part, trainable, frozen) of the counts of parameters, which may be shapes of arrays."""
    parts = {
        "CLIP image tower": ("clip", params["clip"]["image"]),
        "CLIP text tower": ("clip", [params["clip"]["text"], params["clip"]["logit_scale"]]),
        "adapters": ("adapters", params["adapters"]),
        "segmentation head": ("head", params["head"]),
    }
    rows = []
    for name, (part, tree) in parts.items():
        count = sum(leaf.size for leaf in jax.tree.leaves(tree))
        rows.append((name, count, 0) if part in trainable else (name, 0, count))
    return rows


def parameter_table(adapters: AdapterConfig, params: Params, trainable: Collection[str]) -> Table:
    """For each part the trainable and frozen parameters, and the degrees of freedom of the trainable ones."""
    table = Table(f"parameters ({adapters.method})", title_justify="left")
    for title in ("trainable", "frozen", "degrees of freedom"):
        table.add_column(title, justify="right")
    rows = []
    for name, trains, frozen in parameter_counts(params, trainable):
        free = degrees_of_freedom(adapters, params["clip"]) if trains and name == "adapters" else trains
        rows.append((name, trains, frozen, free))
    for name, *counts in [*rows, ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))]:
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def schedule_change(old: TrainConfig, new: TrainConfig, step: int) -> str:
    """One line on a training with more steps than before, after `step` of them; empty if they are as many."""
    if old.num_train_steps == new.num_train_steps:
        return ""
    before, after = (float(jnp.asarray(schedule(recipe)(step))) for recipe in (old, new))
    steps = f"{new.num_train_steps} steps"
    return (
        f"train.num_train_steps was {old.num_train_steps} and is {new.num_train_steps}: from here on the "
        f"learning rate follows the schedule of {steps} ({after:.3g} now, instead of {before:.3g}), so the "
        f"result is not that of {steps} from the start"
    )


def step_line(step: int, num_steps: int, metrics: Mapping[str, float | None]) -> str:
    """One line on a step: loss, gradient norm, text energy and throughput."""
    rate = metrics["images_per_second"]
    return (
        f"step {step}/{num_steps}  loss {metrics['loss']:.4f}  gradient norm {metrics['grad_norm']:.3g}  "
        f"text energy {metrics['text_energy']:.6f}" + (f"  {rate:.1f} images/s" if rate else "")
    )


def goodput_line(goodput: Mapping[str, float]) -> str:
    """One line on the share of a run that was steps: the rest is compilation and evaluation."""
    seconds = goodput["seconds"]
    return f"{seconds / 60:.1f} min, of which {goodput['step_seconds'] / max(seconds, 1e-9):.0%} were steps"
