"""Training from the first step, or from the newest checkpoint, to the last."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from hclip_jax.config.schema import Config, TrainConfig
from hclip_jax.data.loader import train_batches
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError
from hclip_jax.evaluation.evaluate import evaluate, open_sets
from hclip_jax.io.progress import bar, console
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh, place, sharding
from hclip_jax.training.checkpoints import Checkpoints
from hclip_jax.training.init import initial_params
from hclip_jax.training.metrics import MetricsFile
from hclip_jax.training.optimizer import multiplier, schedule
from hclip_jax.training.report import Clock, figure_line, parameter_table, step_line
from hclip_jax.training.restore import restore_params
from hclip_jax.training.state import init_state, join, split
from hclip_jax.training.step import Metrics, make_step, place_prompts, text_energy
from hclip_jax.training.workdir import check, claim, is_workdir, read_classes, write_classes


def train(config: Config, workdir: Path, mesh: Mesh | None = None) -> None:
    """Trains until `config.train.steps`, resuming if `workdir` holds a checkpoint.

    Args:
        config: what to train, on what.
        workdir: holds config.json, metrics.jsonl, checkpoints/, evaluation/ and overlays/.
        mesh: devices to train on; all of them by default.

    Raises:
        UserError: something is wrong with the data, the words, the weights or `workdir`, or the loss is
            not finite any more (the newest checkpoint is from before that).
    """
    mesh = mesh or make_mesh()
    model, settings = Model(config), config.train
    check(workdir, config)
    _check_batch(settings.batch, mesh)
    data = config.data
    source = open_source(data.root, data.split, data.classes, data.vocabulary)
    evaluation_sources = open_sets(config)
    prompts = model.prompts(source.classes)
    trainable, frozen = split(initial_params(config, mesh), settings.trainable)
    # On the mesh from the start, as every step returns it: otherwise the second step compiles anew.
    state = jax.device_put(init_state(trainable, config), sharding(mesh, "parameters"))
    claim(workdir, config)
    write_classes(workdir, source.classes)
    console.print(parameter_table(config))

    checkpoints = Checkpoints(workdir / "checkpoints", settings.keep_checkpoints)
    batches = train_batches(
        source, batch=settings.batch, size=data.crop, seed=config.seed, workers=data.workers
    )
    first = 0
    if checkpoints.latest() is not None:
        state, position = checkpoints.restore(state)
        batches.set_state(position)
        first = int(state.step)
        console.print(f"resuming after step {first} of {settings.steps}")
    metrics = MetricsFile(workdir / "metrics.jsonl", first)

    update = make_step(config, mesh)
    words = place_prompts(prompts, mesh)
    energy = jax.jit(lambda trainable, frozen: text_energy(model, join(trainable, frozen)))
    clock = Clock(settings.batch)
    previous: Metrics = {}
    with _closing(checkpoints, batches), bar() as progress:
        shown = progress.add_task("training", total=settings.steps, completed=first)
        for step in range(first, settings.steps + 1):
            if _evaluates(step, settings):
                params = join(state.trainable, frozen)
                figures = evaluate(
                    config, params, evaluation_sources, source.classes, mesh, workdir, step, progress
                )
                metrics.write(step, evaluation=figures)
                for name, summary in figures.items():
                    console.print(figure_line(step, name, summary))
                clock.pause()
            if step == settings.steps:
                break
            batch = place(next(batches), mesh, "pictures")
            state, measured = update(state, frozen, words, batch)
            done = step + 1
            saves = done % settings.checkpoint_every == 0 or done == settings.steps
            logs = done % settings.log_every == 0 or done in (1, settings.steps)
            # Looked at one step late, so that the devices never wait for the host; but nothing is
            # saved or logged that was not looked at.
            _check_finite(step, previous, checkpoints)
            if saves or logs:
                _check_finite(done, measured, checkpoints)
            previous = measured
            clock.tick()
            progress.advance(shown)
            if logs:
                line = {
                    "loss": float(measured["loss"]),
                    **_rates(settings, step),
                    "gradient_norm": float(measured["gradient_norm"]),
                    "text_energy": float(energy(state.trainable, frozen)),
                    "pictures_per_second": clock.rate(),
                }
                metrics.write(done, **line)
                console.print(step_line(done, settings.steps, line))
            if saves:
                checkpoints.save(done, state, batches.get_state())


def evaluate_newest(config: Config, workdir: Path, mesh: Mesh | None = None) -> None:
    """Evaluates the newest checkpoint of `workdir`, or the untrained model if there is none.

    Args:
        config: as it was trained with, but for `evaluation`.
        workdir: as for `train`.
        mesh: devices to run on; all of them by default.

    Raises:
        UserError: something is wrong with the data, the words, the weights or `workdir`.
    """
    mesh = mesh or make_mesh()
    sources = open_sets(config)
    check(workdir, config)
    seen = read_classes(workdir) if is_workdir(workdir) else ()
    params, step = restore_params(config, workdir, mesh)
    claim(workdir, config)
    with bar() as progress:
        figures = evaluate(config, params, sources, seen, mesh, workdir, step, progress)
    for name, summary in figures.items():
        console.print(figure_line(step, name, summary))


@contextmanager
def _closing(checkpoints: Checkpoints, batches: Any) -> Iterator[None]:
    try:
        yield
    finally:
        batches.close()
        checkpoints.close()


def _check_batch(batch: int, mesh: Mesh) -> None:
    if batch % mesh.size:
        raise UserError(
            f"config.train.batch is {batch}, which {mesh.size} devices do not divide; give a multiple "
            f"of {mesh.size}"
        )


def _check_finite(step: int, measured: Metrics, checkpoints: Checkpoints) -> None:
    for name, value in measured.items():
        if not math.isfinite(value):
            kept = checkpoints.latest()
            where = f"the checkpoint of step {kept} is kept" if kept else "there is no checkpoint yet"
            raise UserError(
                f"{name} is {float(value)} at step {step}, so training stops; {where}: lower "
                f"config.train.learning_rate or look at the data, and train in a new --workdir"
            )


def _evaluates(step: int, settings: TrainConfig) -> bool:
    if step == 0:
        return settings.evaluate_first
    every = settings.evaluate_every
    return bool(every) and (step % every == 0 or step == settings.steps)


def _rates(settings: TrainConfig, step: int) -> dict[str, float]:
    """The learning rate of each part in the update that follows `step` updates."""
    base = float(jnp.asarray(schedule(settings)(step)))
    return {f"learning_rate_{p}": base * multiplier(settings, p) for p in settings.trainable}
