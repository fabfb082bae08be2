"""The steps of a training."""

import contextlib
import math
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from rich.progress import Progress

from hclip_jax import processes
from hclip_jax.config.schema import Config, TrainConfig
from hclip_jax.errors import UserError
from hclip_jax.evaluation.evaluate_set import EvaluationStopped
from hclip_jax.io.progress import bar, console, waiting
from hclip_jax.sharding import make_mesh, place_rows
from hclip_jax.training.checkpoints import TrainCheckpoints
from hclip_jax.training.metrics import MetricsFile, read_metrics
from hclip_jax.training.mirrors import Mirrors, check_installed
from hclip_jax.training.optimizer import lr_multiplier, schedule
from hclip_jax.training.pace import Throughput
from hclip_jax.training.page import update_page
from hclip_jax.training.prepare import Training, prepare
from hclip_jax.training.report import goodput_line, parameter_counts, step_line
from hclip_jax.training.requests import Requests
from hclip_jax.training.state import join
from hclip_jax.training.step import Metrics, make_step, text_energy
from hclip_jax.training.stop import StopRequest


def train(
    config: Config, workdir: Path, mesh: Mesh | None = None, checkpoint: int | str | None = None
) -> None:
    """Trains until `config.train.num_train_steps`, resuming if `workdir` holds a checkpoint.

    Args:
        config: model, data and recipe.
        workdir: its files are listed in docs/train.md.
        mesh: devices to train on; all of them by default.
        checkpoint: the step to resume from, or "best"; by default the newest. Newer ones are moved away.

    Raises:
        UserError: as `prepare`, or a checkpoint cannot be written, or the loss is not finite any more (the
            newest checkpoint is from before that).
        Stopped: a signal asked for the end; the state is saved, if there is one.
    """
    # A failure is announced to other processes before checkpoints and readers are closed.
    with contextlib.ExitStack() as stack, processes.failing_together():
        stop = stack.enter_context(StopRequest())
        with stop.before_first_step():
            if processes.is_primary():
                check_installed(config.train.log_to)
            mesh = mesh or make_mesh(batch_size=config.train.batch_size)
            training = prepare(config, workdir, mesh, checkpoint, stack)
        metrics_file = _open_metrics(training, stack)
        with bar() as progress:
            _run(training, metrics_file, stop, progress)


def _open_metrics(t: Training, stack: contextlib.ExitStack) -> MetricsFile:
    """metrics.jsonl, whose records go to the programs of `config.train.log_to` too."""
    path, first = t.workdir / "metrics.jsonl", int(t.state.step)
    metrics_file = MetricsFile(path, first, _evaluates(first, t.config.train))
    if t.config.train.log_to:
        metrics_file.follow(stack.enter_context(Mirrors(t.config, t.workdir, read_metrics(path))).write)
    return metrics_file


def _run(t: Training, metrics_file: MetricsFile, stop: StopRequest, progress: Progress) -> None:
    """Runs the remaining steps."""
    recipe, state, first = t.config.train, t.state, int(t.state.step)
    update = make_step(t.model, t.optimizer, recipe, t.mesh)
    energy = jax.jit(lambda trainable, frozen: text_energy(t.model, join(trainable, frozen)))
    throughput = Throughput(recipe.batch_size)
    requests = Requests(stop, recipe.checkpoint_minutes, len(t.rows))
    if first < recipe.num_train_steps:
        metrics_file.write(first, start=_start(t))
        console.print("compiling the training step; this may take minutes")  # or reading it from the cache
    task = progress.add_task("training", is_logged=True, total=recipe.num_train_steps, completed=first)
    previous: Metrics = {}
    for step in range(first, recipe.num_train_steps + 1):
        if _evaluates(step, recipe):
            params = join(state.trainable, t.frozen)
            began = time.perf_counter()
            try:
                is_last = step == recipe.num_train_steps
                summaries = t.evaluator.run(params, t.class_names, step, progress, stop.is_asked, is_last)
            except EvaluationStopped:
                t.checkpoints.save(step, state, t.batches.get_state())
                _end(metrics_file, step, throughput)
                raise stop.stopped(step, requests.agreed_now()) from None
            metrics_file.write(step, evaluation=summaries, time=round(time.time(), 3))
            t.checkpoints.keep_if_best(step, summaries, state, t.batches.get_state())
            update_page(t.workdir)
            throughput.evaluated(time.perf_counter() - began)
        if step == recipe.num_train_steps:
            break
        batch = place_rows(next(t.batches) | requests.rows(), t.mesh, t.rows, recipe.batch_size)
        with waiting(progress, "compiling the training step") if step == first else contextlib.nullcontext():
            state, metrics = update(state, t.frozen, t.prompts, batch)
        done = step + 1
        stop_status, is_due = requests.agreed(previous)
        is_last = done == recipe.num_train_steps
        saves = done % recipe.checkpoint_every == 0 or is_last or bool(stop_status) or is_due
        logs = done % recipe.log_every == 0 or done in (1, recipe.num_train_steps)
        # One step late, so that the devices never wait for the host; but metrics are checked before
        # their step is saved or logged.
        _check_finite(step, previous, t.checkpoints)
        if saves or logs:
            _check_finite(done, metrics, t.checkpoints)
        previous = metrics
        throughput.tick()
        processes.progress()
        progress.advance(task)
        if logs:
            line = {
                "loss": float(metrics["loss"]),
                **_learning_rates(recipe, step),
                "grad_norm": float(metrics["grad_norm"]),
                "text_energy": float(energy(state.trainable, t.frozen)),
                **throughput.line(recipe.num_train_steps - done, _evaluations_left(done, recipe)),
            }
            metrics_file.write(done, **line)
            console.print(step_line(done, recipe.num_train_steps, line))
        if saves:
            t.checkpoints.save(done, state, t.batches.get_state())
            requests.saved()
        if stop_status:
            _end(metrics_file, done, throughput)
            raise stop.stopped(done, stop_status)
    if first < recipe.num_train_steps:
        _end(metrics_file, recipe.num_train_steps, throughput)
        update_page(t.workdir)


def _check_finite(step: int, metrics: Metrics, checkpoints: TrainCheckpoints) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            latest = checkpoints.latest()
            where = (
                f"the checkpoint of step {latest} is kept"
                if latest is not None
                else "there is no checkpoint yet"
            )
            raise UserError(
                f"{name} is {float(value)} at step {step}, so training stops; {where}: lower "
                f"config.train.learning_rate or look at the data, and train in a new --workdir"
            )


def _start(t: Training) -> dict[str, object]:
    """When, on what and with which parameters a run started, for metrics.jsonl."""
    params = join(t.state.trainable, t.frozen)
    return {
        "time": round(time.time(), 3),
        "processes": processes.count(),
        "devices": t.mesh.size,
        "device_kind": t.mesh.devices.flat[0].device_kind,
        "mesh": "x".join(map(str, t.mesh.devices.shape)),
        "parameters": {name: counts for name, *counts in parameter_counts(params, t.config.train.trainable)},
    }


def _end(metrics_file: MetricsFile, step: int, throughput: Throughput) -> None:
    """Says which share of the run was steps."""
    goodput = throughput.goodput()
    metrics_file.write(step, end=goodput)
    console.print(goodput_line(goodput))


def _evaluates(step: int, recipe: TrainConfig) -> bool:
    if step == 0:
        return recipe.evaluate_first
    every = recipe.evaluate_every
    return bool(every) and (step % every == 0 or step == recipe.num_train_steps)


def _evaluations_left(step: int, recipe: TrainConfig) -> int:
    """Evaluations that come after `step` updates, which are followed by one that is not over."""
    every, last = recipe.evaluate_every, recipe.num_train_steps
    return last // every - (step - 1) // every + bool(last % every) if every else 0


def _learning_rates(recipe: TrainConfig, step: int) -> dict[str, float]:
    """The learning rate of each part in the update after `step` updates."""
    base = float(jnp.asarray(schedule(recipe)(step)))
    return {f"learning_rate_{part}": base * lr_multiplier(recipe, part) for part in recipe.trainable}
