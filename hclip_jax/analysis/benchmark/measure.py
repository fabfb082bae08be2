"""One benchmark job, measured in a new process so that its peak memory includes no other job's."""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

from hclip_jax import runtime
from hclip_jax.analysis.benchmark.jobs import Job
from hclip_jax.errors import UserError
from hclip_jax.io.tables import markdown_table

_MATMUL_SIZE = 3072  # rows and columns of the matrices whose product measures the machine


class Measurement(NamedTuple):
    """Result of one job.

    Attributes:
        case: name of the case.
        num_classes: 0 if the case does not depend on it.
        batch_size: 0 if the case does not depend on it.
        first_seconds: time of the first run, which compiles.
        median_seconds: median time of the later runs.
        min_seconds: shortest time of the later runs.
        max_seconds: longest time of the later runs.
        flops: floating-point operations of matrix products and convolutions; 0 if they are not counted.
        flops_per_second: flops / median_seconds.
        matmul_flops_per_second: peak measured matmul rate, that of one large float32 matrix product, measured
            just before the first run.
        peak_memory_bytes: peak memory of the process on a CPU, otherwise of the device that uses most.
    """

    case: str
    num_classes: int
    batch_size: int
    first_seconds: float
    median_seconds: float
    min_seconds: float
    max_seconds: float
    flops: float
    flops_per_second: float
    matmul_flops_per_second: float
    peak_memory_bytes: float


def measure(job: Job) -> Measurement:
    """Runs a job in a new process.

    Raises:
        UserError: the configuration is not valid, or the memory does not suffice.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(_measure, job).result()
        except BrokenProcessPool as error:
            raise UserError(
                f"the process of {job.case} with {job.num_classes} classes and batch {job.batch_size} was "
                f"killed, most likely for lack of memory; give fewer classes or a smaller batch"
            ) from error


def to_markdown(measurements: Sequence[Measurement]) -> str:
    """The measurements as a Markdown table."""
    header = ["case", "classes", "batch", "first run", "median", "min – max"]
    header += ["GFLOP", "GFLOP/s", "matmul GFLOP/s", "memory"]
    rows = [
        [
            m.case,
            str(m.num_classes or "–"),
            str(m.batch_size or "–"),
            f"{m.first_seconds:.2f} s",
            f"{m.median_seconds:.3f} s",
            f"{m.min_seconds:.3f} – {m.max_seconds:.3f}",
            _giga(m.flops),
            _giga(m.flops_per_second),
            _giga(m.matmul_flops_per_second),
            f"{m.peak_memory_bytes / 1e9:.2f} GB",
        ]
        for m in measurements
    ]
    return markdown_table(header, rows, ["left", *["right"] * (len(header) - 1)])


def _giga(flops: float) -> str:
    return f"{flops / 1e9:,.0f}" if flops else "–"


def _measure(job: Job) -> Measurement:
    # JAX is imported in the new process only, after the environment is prepared.
    runtime.prepare()
    import jax

    from hclip_jax.analysis.benchmark.cases import BUILDERS
    from hclip_jax.config.overrides import read_config

    jax.config.update("jax_enable_compilation_cache", False)  # so that the first run includes compilation
    fixed = ("--config.clip.weights=random", f"--config.train.batch_size={job.batch_size or 1}")
    matmul_rate = _measure_matmul_rate()
    case = BUILDERS[job.case](read_config(job.config, (*job.overrides, *fixed)), job.num_classes)
    first = _seconds(case.run)
    if job.profile_dir:
        with jax.profiler.trace(job.profile_dir):
            times = [_seconds(case.run) for _ in range(job.num_runs)]
    else:
        times = [_seconds(case.run) for _ in range(job.num_runs)]
    median = statistics.median(times)
    return Measurement(
        case=job.case,
        num_classes=job.num_classes,
        batch_size=job.batch_size,
        first_seconds=first,
        median_seconds=median,
        min_seconds=min(times),
        max_seconds=max(times),
        flops=case.flops,
        flops_per_second=case.flops / median,
        matmul_flops_per_second=matmul_rate,
        peak_memory_bytes=_peak_memory_bytes(),
    )


def _seconds(run: Callable[[], Any]) -> float:
    import jax

    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def _measure_matmul_rate() -> float:
    """Floating-point operations a second of one large float32 matrix product, the best of three runs."""
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((_MATMUL_SIZE, _MATMUL_SIZE))
    matmul = jax.jit(lambda a: a @ a)
    _seconds(lambda: matmul(matrix))  # compiles
    return 2.0 * _MATMUL_SIZE**3 / min(_seconds(lambda: matmul(matrix)) for _ in range(3))


def _peak_memory_bytes() -> float:
    import jax

    stats = [device.memory_stats() for device in jax.devices()]
    if all(stats):
        return max(float(s["peak_bytes_in_use"]) for s in stats if s)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if sys.platform == "darwin" else 1024.0)  # macOS counts bytes, Linux KiB
