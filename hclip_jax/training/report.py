"""What a training tells people while it runs."""

import time
from collections.abc import Collection, Mapping

import jax
from rich.table import Table

from hclip_jax.adapters.methods import degrees_of_freedom
from hclip_jax.models.hclip import Model


class Throughput:
    """Pictures a second since the last question, compilation and evaluation left out."""

    def __init__(self, batch_size: int):
        self._batch_size, self._images = batch_size, 0
        self._start: float | None = None

    def tick(self) -> None:
        """A step has ended; the first after a pause only starts the clock."""
        if self._start is None:
            self._start = time.perf_counter()
        else:
            self._images += self._batch_size

    def pause(self) -> None:
        """Something else than training begins."""
        self._start, self._images = None, 0

    def images_per_second(self) -> float | None:
        """Pictures a second; None where no whole step was timed."""
        if not self._images or self._start is None:
            return None
        now = time.perf_counter()
        rate = self._images / (now - self._start)
        self._start, self._images = now, 0
        return rate


def parameter_counts(model: Model, trainable: Collection[str]) -> list[tuple[str, int, int]]:
    """Rows (part, trainable, frozen) of parameter counts, without making any parameter."""
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    parts = {
        "CLIP image tower": ("clip", shapes["clip"]["image"]),
        "CLIP text tower": ("clip", [shapes["clip"]["text"], shapes["clip"]["logit_scale"]]),
        "adapters": ("adapters", shapes["adapters"]),
        "segmentation head": ("head", shapes["head"]),
    }
    rows = []
    for name, (part, tree) in parts.items():
        count = sum(leaf.size for leaf in jax.tree.leaves(tree))
        trains = part in trainable
        rows.append((name, count if trains else 0, 0 if trains else count))
    return rows


def parameter_table(model: Model, trainable: Collection[str]) -> Table:
    """The tuning method, and of each part what trains, what is frozen, and how free the former is."""
    table = Table(f"parameters ({model.architecture.adapters.method})", title_justify="left")
    for title in ("trainable", "frozen", "degrees of freedom"):
        table.add_column(title, justify="right")
    clip = jax.eval_shape(model.init, jax.random.key(0))["clip"]
    rows = []
    for name, trains, frozen in parameter_counts(model, trainable):
        free = (
            degrees_of_freedom(model.architecture.adapters, clip) if trains and name == "adapters" else trains
        )
        rows.append((name, trains, frozen, free))
    for name, *counts in [*rows, ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))]:
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def step_line(step: int, steps: int, line: dict[str, float | None]) -> str:
    """One line on a step: loss, gradient norm, text energy and rate."""
    rate = line["images_per_second"]
    return (
        f"step {step}/{steps}  loss {line['loss']:.4f}  gradient {line['grad_norm']:.3g}  "
        f"text energy {line['text_energy']:.6f}" + (f"  {rate:.1f} pictures/s" if rate else "")
    )


def evaluation_line(step: int, name: str, summary: Mapping[str, float | None]) -> str:
    """One line on an evaluation, figures in detectron2's order."""
    values = "  ".join(
        f"{figure} {'-' if value is None else f'{value:.2f}'}" for figure, value in summary.items()
    )
    return f"step {step}  {name}: {values}"
