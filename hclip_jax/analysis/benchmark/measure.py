"""One case, timed in a process of its own, so that its peak of memory is its own."""

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

from hclip_jax.errors import UserError

_YARDSTICK = 3072  # side of the matrices whose product says how fast the machine is


class Measured(NamedTuple):
    """What was measured of a case; 0 classes, pictures or operations where it has none."""

    case: str
    classes: int
    batch: int
    first: float  # seconds of the first run, which compiles
    seconds: float  # of a later run, the median
    fastest: float
    slowest: float
    flops: float  # floating-point, of matrix products and convolutions
    rate: float  # operations a second
    yardstick: float  # operations a second of one large float32 matrix product, just before
    memory: float  # bytes at the peak: of the process on a CPU, of the busiest device elsewhere


class Job(NamedTuple):
    """What to measure."""

    case: str
    file: str  # the configuration
    changes: tuple[str, ...]  # of its fields
    classes: int  # 0 where they play no part
    batch: int  # likewise
    runs: int
    profile: str  # directory for a trace of the runs; empty = none


def measure(job: Job) -> Measured:
    """Measures in a new process.

    Raises:
        UserError: the configuration is not valid, or memory does not suffice.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(_measure, job).result()
        except BrokenProcessPool as error:
            raise UserError(
                f"the process that ran {job.case} with {job.classes} classes and batch {job.batch} was "
                f"stopped from outside, most likely for want of memory; give fewer classes or a smaller batch"
            ) from error


def _measure(job: Job) -> Measured:
    # Imported in the new process alone: the old one needs no JAX.
    import jax

    from hclip_jax.analysis.benchmark.cases import CASES
    from hclip_jax.config.overrides import read_config

    jax.config.update("jax_enable_compilation_cache", False)  # the first run is to show what compiling takes
    always = ("--config.clip.weights=random", f"--config.train.batch_size={job.batch or 1}")
    yardstick = _yardstick()
    case = CASES[job.case](read_config(job.file, (*job.changes, *always)), job.classes)
    first = _seconds(case.run)
    if job.profile:
        with jax.profiler.trace(job.profile):
            times = [_seconds(case.run) for _ in range(job.runs)]
    else:
        times = [_seconds(case.run) for _ in range(job.runs)]
    seconds = statistics.median(times)
    return Measured(
        case=job.case,
        classes=job.classes,
        batch=job.batch,
        first=first,
        seconds=seconds,
        fastest=min(times),
        slowest=max(times),
        flops=case.flops,
        rate=case.flops / seconds,
        yardstick=yardstick,
        memory=_peak_memory(),
    )


def _seconds(run: Callable[[], Any]) -> float:
    import jax

    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def _yardstick() -> float:
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((_YARDSTICK, _YARDSTICK))
    product = jax.jit(lambda a: a @ a)
    _seconds(lambda: product(matrix))
    return 2.0 * _YARDSTICK**3 / min(_seconds(lambda: product(matrix)) for _ in range(3))


def _peak_memory() -> float:
    import jax

    stats = [device.memory_stats() for device in jax.devices()]
    if all(stats):
        return max(float(s["peak_bytes_in_use"]) for s in stats if s)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if sys.platform == "darwin" else 1024.0)  # macOS tells bytes, Linux KiB


def to_markdown(rows: Sequence[Measured]) -> str:
    """A table to read."""
    lines = [
        "| case | classes | batch | first run | later | from – to | GFLOP | GFLOP/s | yardstick | memory |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for r in rows:
        lines.append(
            f"| {r.case} | {r.classes or '–'} | {r.batch or '–'} | {r.first:.2f} s | {r.seconds:.3f} s "
            f"| {r.fastest:.3f} – {r.slowest:.3f} | {_giga(r.flops)} | {_giga(r.rate)} "
            f"| {r.yardstick / 1e9:.0f} | {r.memory / 1e9:.2f} GB |"
        )
    return "\n".join(lines) + "\n"


def _giga(flops: float) -> str:
    return f"{flops / 1e9:,.0f}" if flops else "–"
