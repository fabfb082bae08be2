"""Benchmark jobs: cases with their sizes. Needs no JAX."""

from collections.abc import Sequence
from typing import NamedTuple


class Axes(NamedTuple):
    """The sizes that a case depends on."""

    classes: bool
    batch: bool


CASES = {
    "step": Axes(classes=True, batch=True),
    "image": Axes(classes=True, batch=True),
    "sliding": Axes(classes=True, batch=True),
    "text": Axes(classes=True, batch=False),
    "text-full-context": Axes(classes=True, batch=False),
    "adapt": Axes(classes=False, batch=False),
    "data": Axes(classes=False, batch=True),
}
"""Names of the cases; `cases.BUILDERS` has their functions."""

OPERATIONS = {
    name: Axes(classes=True, batch=True)
    for name in (
        "gelu",
        "layer-norm",
        "group-norm",
        "dense",
        "roll",
        "window-attention",
        "conv",
        "conv-transpose",
    )
} | {
    "image-attention": Axes(classes=False, batch=True),
    "cudnn-attention": Axes(classes=False, batch=True),
}
"""Names of single operations with their gradient, which are cases too; `operations.BUILDERS` has them."""

PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "default"}
"""Precision of a job -> `jax_default_matmul_precision`. Towers and head are bfloat16 by the configuration."""


class Job(NamedTuple):
    """One measurement to make.

    Attributes:
        case: a name of CASES.
        config: name or path of the configuration.
        overrides: "--config.FIELD=VALUE" each.
        num_classes: 0 if the case does not depend on it.
        batch_size: images in a batch; 0 if the case does not depend on it.
        num_runs: timed runs after the first.
        profile_dir: where to write a trace of these runs; "" = no trace.
        platform: of the device: "cpu", "gpu" or "tpu"; "" = JAX's choice.
        precision: a name of PRECISIONS; "" = JAX's default for float32 products.
        forms: "cpu" or "plain", the forms of the operations of `hclip_jax/ops`; "" = those of the platform.
        variant: how the job differs from others of its case, for the table.
    """

    case: str
    config: str
    overrides: tuple[str, ...]
    num_classes: int
    batch_size: int
    num_runs: int
    profile_dir: str = ""
    platform: str = ""
    precision: str = ""
    forms: str = ""
    variant: str = ""


def make_jobs(
    cases: Sequence[str],
    config: str,
    overrides: tuple[str, ...],
    class_counts: Sequence[int],
    batch_sizes: Sequence[int],
    num_runs: int,
    profile_dir: str = "",
    platform: str = "",
) -> list[Job]:
    """Every case with every number of classes and batch size that it depends on."""
    axes = CASES | OPERATIONS
    return [
        Job(case, config, overrides, num_classes, batch_size, num_runs, profile_dir, platform)
        for case in cases
        for num_classes in (class_counts if axes[case].classes else [0])
        for batch_size in (batch_sizes if axes[case].batch else [0])
    ]
