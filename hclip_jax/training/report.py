"""The output of a training run: parameter table, lines on steps and evaluations."""

from collections.abc import Collection, Mapping

import jax
import jax.numpy as jnp
from rich.table import Table

from hclip_jax.adapters.methods import degrees_of_freedom
from hclip_jax.config.adapters import AdapterConfig
from hclip_jax.config.schema import TrainConfig
from hclip_jax.io.progress import duration
from hclip_jax.models.params import Params
from hclip_jax.training.optimizer import schedule


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
    """One line on a step: loss, gradient norm, text energy, throughput and the time left."""
    rate, left = metrics["images_per_second"], metrics["seconds_left"]
    return (
        f"step {step}/{num_steps}  loss {metrics['loss']:.4f}  gradient norm {metrics['grad_norm']:.3g}  "
        f"text energy {metrics['text_energy']:.6f}"
        + (f"  {rate:.1f} images/s" if rate else "")
        + (f"  {duration(left)} left" if left else "")
    )


def goodput_line(goodput: Mapping[str, float]) -> str:
    """One line on the share of a run that was steps: the rest is compilation and evaluation."""
    seconds = goodput["seconds"]
    return f"{seconds / 60:.1f} min, of which {goodput['step_seconds'] / max(seconds, 1e-9):.0%} were steps"
