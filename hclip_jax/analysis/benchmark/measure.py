"""One benchmark job, measured in a new process so that its peak memory includes no other job's."""

import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple, TypeVar

from hclip_jax import runtime
from hclip_jax.analysis.benchmark.jobs import PRECISIONS, Job
from hclip_jax.errors import UserError
from hclip_jax.io.tables import markdown_table
from hclip_jax.io.worker import end_with_parent, kill_workers

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")
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
        matmul_flops_per_second: peak measured matmul rate, that of one large matrix product in the precision
            of the job, measured just before the first run.
        peak_memory_bytes: peak memory of the process on a CPU, otherwise of the device that uses most.
        variant: of the job.
        failure: why there are no figures; "" if there are.
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
    variant: str = ""
    failure: str = ""


def measure(job: Job) -> Measurement:
    """Runs a job in a new process.

    Raises:
        UserError: the configuration is not valid, or the memory does not suffice.
    """
    try:
        return _in_new_process(_measure, job)
    except BrokenProcessPool as error:
        raise UserError(
            f"the process of {job.case} with {job.num_classes} classes and batch {job.batch_size} was "
            f"killed, most likely for lack of memory; give fewer classes or a smaller batch"
        ) from error


def attempt(job: Job) -> Measurement:
    """Runs a job in a new process; whatever goes wrong there becomes the `failure`."""
    try:
        return _in_new_process(_attempt, job)
    except BrokenProcessPool:
        return _failed(job, "killed, most likely for lack of memory")


def find_device(platform: str) -> tuple[str, str]:
    """Returns the platform and the name of the devices that a job would use.

    Args:
        platform: as in `Job`.

    Raises:
        UserError: there is no such device.
    """
    try:
        return _in_new_process(_find_device, platform)
    except RuntimeError as error:
        raise UserError(
            f"JAX finds no device of --platform={platform or 'its choice'} "
            f"({' '.join(str(error).split())[:200]}); give another, or install the JAX of that platform"
        ) from error


def _in_new_process(function: Callable[[_Argument], _Result], argument: _Argument) -> _Result:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent) as pool:
        try:
            return pool.submit(function, argument).result()
        except (KeyboardInterrupt, SystemExit):  # the pool would wait for the end of the job
            kill_workers()
            raise


def _find_device(platform: str) -> tuple[str, str]:
    _prepare(platform)
    import jax

    device = jax.devices()[0]
    return device.platform, device.device_kind


def _attempt(job: Job) -> Measurement:
    # Not raised: exceptions of JAX may not be pickled.
    try:
        return _measure(job)
    except Exception as error:
        return _failed(job, _reason(error))


def _failed(job: Job, reason: str) -> Measurement:
    figures = dict.fromkeys(Measurement._fields[3:11], 0.0)
    return Measurement(
        case=job.case,
        num_classes=job.num_classes,
        batch_size=job.batch_size,
        variant=job.variant,
        failure=reason,
        **figures,
    )


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return "out of memory"
    return text[:120] or type(error).__name__


def to_markdown(measurements: Sequence[Measurement]) -> str:
    """The measurements as a Markdown table."""
    header = ["case", "variant", "classes", "batch", "first run", "median", "min – max"]
    header += ["GFLOP", "GFLOP/s", "matmul GFLOP/s", "memory"]
    rows = [
        [m.case, m.variant, str(m.num_classes or "–"), str(m.batch_size or "–"), *_figures(m)]
        for m in measurements
    ]
    aligns = ["left", "left", *["right"] * (len(header) - 2)]
    if not any(m.variant for m in measurements):
        for columns in (header, aligns, *rows):
            del columns[1]
    return markdown_table(header, rows, aligns)


def _figures(m: Measurement) -> list[str]:
    if m.failure:
        return [m.failure, *["–"] * 6]
    return [
        f"{m.first_seconds:.2f} s",
        _duration(m.median_seconds),
        f"{_duration(m.min_seconds)} – {_duration(m.max_seconds)}",
        _giga(m.flops),
        _giga(m.flops_per_second),
        _giga(m.matmul_flops_per_second),
        f"{m.peak_memory_bytes / 1e9:.2f} GB",
    ]


def _duration(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"


def _giga(flops: float) -> str:
    return f"{flops / 1e9:,.0f}" if flops else "–"


def _prepare(platform: str) -> None:
    # JAX is imported in the new process only, after the environment is prepared.
    if platform:
        os.environ["JAX_PLATFORMS"] = platform
    runtime.prepare()


def _measure(job: Job) -> Measurement:
    _prepare(job.platform)
    import jax

    from hclip_jax.ops.backend import compiled_for

    jax.config.update("jax_enable_compilation_cache", False)  # so that the first run includes compilation
    if job.precision:
        jax.config.update("jax_default_matmul_precision", PRECISIONS[job.precision])
    with compiled_for(_form_platform(job.forms)):
        return _measure_case(job)


def _form_platform(forms: str) -> str | None:
    """The platform whose forms of the operations are traced; None = that of the device."""
    import jax

    if forms == "plain" and jax.default_backend() == "cpu":
        return "gpu"
    return "cpu" if forms == "cpu" else None


def _measure_case(job: Job) -> Measurement:
    import jax

    from hclip_jax.analysis.benchmark import cases, operations
    from hclip_jax.config.overrides import read_config

    fixed = ("--config.clip.weights=random", f"--config.train.batch_size={job.batch_size or 1}")
    matmul_rate = _measure_matmul_rate("bfloat16" if job.precision == "bfloat16" else "float32")
    builders = cases.BUILDERS | operations.BUILDERS
    case = builders[job.case](read_config(job.config, (*job.overrides, *fixed)), job.num_classes)
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
        variant=job.variant,
    )


def _seconds(run: Callable[[], Any]) -> float:
    import jax

    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def _measure_matmul_rate(dtype: str) -> float:
    """Floating-point operations a second of one large matrix product, the best of three runs."""
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((_MATMUL_SIZE, _MATMUL_SIZE), dtype)
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
