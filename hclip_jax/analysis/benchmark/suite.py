"""The benchmark of an accelerator: every case in every precision, resumable. Needs no JAX."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hclip_jax.analysis.benchmark.jobs import CASES, OPERATIONS, PRECISIONS, Job, make_jobs
from hclip_jax.analysis.benchmark.measure import Measurement, attempt
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import read_json

SUITE_CASES = (*(case for case in CASES if case != "data"), *OPERATIONS)
"""The cases of the suite; `data` does not depend on the accelerator."""

BATCH_SIZES = "1,4,16"
FIXED_FIELDS = ("model.dtype", "model.head_dtype", "model.class_chunk_size")
"""Fields of the configuration that the suite varies."""

_CHUNKED_CASES = ("step", "image")
_CLASS_CHUNK_SIZE = 20  # of the default configuration, tuned on CPUs
_CUDNN = "cudnn-attention"


def suite_jobs(
    cases: Sequence[str],
    config: str,
    overrides: tuple[str, ...],
    class_counts: Sequence[int],
    batch_sizes: Sequence[int],
    num_runs: int,
    platform: str,
) -> list[Job]:
    """Jobs of the suite.

    In float32, TF32 and bfloat16: every case at every batch size; `step` and `image` with classes in chunks
    and all together; operations in their plain and in their CPU form. The attention of cuDNN needs bfloat16.

    Args:
        cases: of SUITE_CASES.
        config: as in `Job`, and so are the others.
        overrides: without FIXED_FIELDS.
        class_counts: numbers of classes.
        batch_sizes: images in a batch.
        num_runs: timed runs after the first.
        platform: of the device; "" = JAX's choice.
    """
    jobs = make_jobs(cases, config, overrides, class_counts, batch_sizes, num_runs, platform=platform)
    return [
        _in_precision(variant, precision)
        for precision in PRECISIONS
        for job in jobs
        if job.case != _CUDNN or precision == "bfloat16"
        for variant in _variants(job)
    ]


def _variants(job: Job) -> list[Job]:
    if job.case in _CHUNKED_CASES:
        return [
            job._replace(
                overrides=(*job.overrides, f"--config.model.class_chunk_size={size}"),
                variant=f"{name} classes together",
            )
            for name, size in (("20", _CLASS_CHUNK_SIZE), ("all", max(job.num_classes, _CLASS_CHUNK_SIZE)))
        ]
    if job.case in OPERATIONS and job.case != _CUDNN:
        return [
            job._replace(forms=forms, variant=f"{name} form")
            for forms, name in (("plain", "plain"), ("cpu", "CPU"))
        ]
    return [job]


def _in_precision(job: Job, precision: str) -> Job:
    dtype = "bfloat16" if precision == "bfloat16" else "float32"
    dtypes = f"--config.model.dtype={dtype}", f"--config.model.head_dtype={dtype}"
    return job._replace(
        precision=precision,
        overrides=(*job.overrides, *dtypes),
        variant=", ".join(part for part in (precision, job.variant) if part),
    )


def run_suite(jobs: Sequence[Job], folder: Path, device: str) -> Iterator[Measurement]:
    """Yields the measurement of each job; those that `folder` has are not measured again.

    A job that fails, for example for lack of memory, is a row with the reason, and is not tried again until
    its file is removed.

    Args:
        jobs: the jobs.
        folder: gets a JSON for each job.
        device: name of the device; rows of another are measured again.

    Raises:
        UserError: `folder` cannot be written.
    """
    for job in jobs:
        path = folder / f"{_file_name(job)}.json"
        key = {"job": json.loads(json.dumps(job._asdict())), "device": device}
        done = _read_row(path, key)
        if done is None:
            done = attempt(job)
            write_atomically(path, json.dumps({**key, "measurement": done._asdict()}, indent=2) + "\n")
        yield done


def _file_name(job: Job) -> str:
    parts = job.case, job.variant, f"{job.num_classes} classes", f"batch {job.batch_size}"
    return "-".join(" ".join(parts).replace(",", "").lower().split())


def _read_row(path: Path, key: dict[str, Any]) -> Measurement | None:
    """The measurement in a file; None without one, or if it is of another job, device or version."""
    if not path.exists():
        return None
    try:
        row = read_json(path, "remove it")
    except UserError:
        return None  # cut off by a full disk or a crash
    if not isinstance(row, dict) or {name: row.get(name) for name in key} != key:
        return None
    try:
        return Measurement(**row["measurement"])
    except (KeyError, TypeError):
        return None
