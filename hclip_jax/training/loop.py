"""Training from the first step, or from the newest checkpoint, to the last."""

import contextlib
import math
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from hclip_jax.config.schema import Config, TrainConfig
from hclip_jax.data.labelled import check_labelled
from hclip_jax.data.loader import train_batches
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError
from hclip_jax.evaluation.evaluate import Evaluator
from hclip_jax.io.progress import bar, console
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh, named_sharding, place
from hclip_jax.training.checkpoints import TrainCheckpoints
from hclip_jax.training.init import initial_params
from hclip_jax.training.metrics import MetricsFile
from hclip_jax.training.optimizer import lr_multiplier, make_optimizer, schedule
from hclip_jax.training.report import Throughput, evaluation_line, parameter_table, step_line
from hclip_jax.training.restore import restore_params
from hclip_jax.training.state import init_state, join, split
from hclip_jax.training.step import Metrics, make_step, place_prompts, text_energy
from hclip_jax.training.stop import Interrupted, StopRequest
from hclip_jax.training.workdir import (
    check_trained_class_names,
    check_workdir,
    claim_workdir,
    is_workdir,
    lock_workdir,
    read_trained_class_names,
    write_trained_class_names,
)


def train(config: Config, workdir: Path, mesh: Mesh | None = None) -> None:
    """Trains until `config.train.num_train_steps`, resuming if `workdir` holds a checkpoint.

    Args:
        config: model, data and recipe.
        workdir: holds config.json, metrics.jsonl, checkpoints/, evaluation/ and overlays/.
        mesh: devices to train on; all of them by default.

    Raises:
        UserError: the data, the class names, the weights or `workdir` are wrong, or the loss is not finite
            any more (the newest checkpoint is from before that), or another process trains in `workdir`.
        Stopped: a signal asked for the end; the state is saved.
    """
    # Everything that may be wrong with the input, before anything is written.
    mesh = mesh or make_mesh()
    check_workdir(workdir, config)
    _check_batch_size(config.train.batch_size, mesh)
    data, recipe = config.data, config.train
    source = open_source(data.root, data.split, data.classes_file, data.label_set)
    if warning := check_labelled(source):
        console.print(warning, markup=False)
    check_trained_class_names(workdir, source.class_names)
    model, optimizer = Model(config.architecture), make_optimizer(recipe)
    evaluator = Evaluator(model, config.evaluation, config.protocol, data, mesh, workdir)
    prompts = place_prompts(model.prompts(source.class_names), mesh)
    trainable, frozen = split(initial_params(model, config.seed, mesh), recipe.trainable)
    # Placed like the step's output: otherwise the second step compiles again.
    state = jax.device_put(init_state(trainable, optimizer), named_sharding(mesh, "params"))

    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_workdir(workdir))
        claim_workdir(workdir, config)
        write_trained_class_names(workdir, source.class_names)
        console.print(parameter_table(model, recipe.trainable))
        checkpoints = stack.enter_context(TrainCheckpoints(workdir / "checkpoints", recipe.max_to_keep))
        batches = stack.enter_context(
            contextlib.closing(
                train_batches(
                    source,
                    batch_size=recipe.batch_size,
                    crop_size=data.crop_size,
                    seed=config.seed,
                    num_workers=data.num_workers,
                )
            )
        )
        first = 0
        if checkpoints.latest() is not None:
            state, position = checkpoints.restore(state)
            batches.set_state(position)
            first = int(state.step)
            console.print(f"resuming after step {first} of {recipe.num_train_steps}")
        metrics_file = MetricsFile(workdir / "metrics.jsonl", first)
        update = make_step(model, optimizer, recipe, mesh)
        energy = jax.jit(lambda trainable, frozen: text_energy(model, join(trainable, frozen)))
        throughput = Throughput(recipe.batch_size)

        stop = stack.enter_context(StopRequest())
        progress = stack.enter_context(bar())
        task = progress.add_task("training", total=recipe.num_train_steps, completed=first)
        previous: Metrics = {}
        for step in range(first, recipe.num_train_steps + 1):
            if _evaluates(step, recipe):
                params = join(state.trainable, frozen)
                try:
                    with stop.interruptible():
                        summaries = evaluator.run(params, source.class_names, step, progress)
                except Interrupted:
                    checkpoints.save(step, state, batches.get_state())
                    raise stop.stopped(step) from None
                metrics_file.write(step, evaluation=summaries)
                for name, summary in summaries.items():
                    console.print(evaluation_line(step, name, summary))
                throughput.pause()
            if step == recipe.num_train_steps:
                break
            batch = place(next(batches), mesh, "images")
            state, metrics = update(state, frozen, prompts, batch)
            done = step + 1
            saves = done % recipe.checkpoint_every == 0 or done == recipe.num_train_steps or stop.received
            logs = done % recipe.log_every == 0 or done in (1, recipe.num_train_steps)
            # One step late, so that the devices never wait for the host; but metrics are checked before
            # their step is saved or logged.
            _check_finite(step, previous, checkpoints)
            if saves or logs:
                _check_finite(done, metrics, checkpoints)
            previous = metrics
            throughput.tick()
            progress.advance(task)
            if logs:
                line = {
                    "loss": float(metrics["loss"]),
                    **_learning_rates(recipe, step),
                    "grad_norm": float(metrics["grad_norm"]),
                    "text_energy": float(energy(state.trainable, frozen)),
                    "images_per_second": throughput.images_per_second(),
                }
                metrics_file.write(done, **line)
                console.print(step_line(done, recipe.num_train_steps, line))
            if saves:
                checkpoints.save(done, state, batches.get_state())
            if stop.received:
                raise stop.stopped(done)


def evaluate_newest(config: Config, workdir: Path, mesh: Mesh | None = None) -> None:
    """Evaluates the newest checkpoint of `workdir`, or the untrained model if there is none.

    Args:
        config: as it was trained with, except `evaluation`.
        workdir: as for `train`.
        mesh: devices to run on; all of them by default.

    Raises:
        UserError: the data, the class names, the weights or `workdir` are wrong.
    """
    mesh = mesh or make_mesh()
    check_workdir(workdir, config)
    model, optimizer = Model(config.architecture), make_optimizer(config.train)
    evaluator = Evaluator(model, config.evaluation, config.protocol, config.data, mesh, workdir)
    seen = read_trained_class_names(workdir) if is_workdir(workdir) else ()
    params, step = restore_params(config, model, optimizer, workdir, mesh)
    if not is_workdir(workdir):
        claim_workdir(workdir, config)  # a training keeps its own configuration
    with bar() as progress:
        summaries = evaluator.run(params, seen, step, progress)
    for name, summary in summaries.items():
        console.print(evaluation_line(step, name, summary))


def _check_batch_size(batch_size: int, mesh: Mesh) -> None:
    if batch_size % mesh.size:
        raise UserError(
            f"config.train.batch_size is {batch_size}, which {mesh.size} devices do not divide; give a "
            f"multiple of {mesh.size}"
        )


def _check_finite(step: int, metrics: Metrics, checkpoints: TrainCheckpoints) -> None:
    for name, value in metrics.items():
        if not math.isfinite(value):
            latest = checkpoints.latest()
            where = f"the checkpoint of step {latest} is kept" if latest else "there is no checkpoint yet"
            raise UserError(
                f"{name} is {float(value)} at step {step}, so training stops; {where}: lower "
                f"config.train.learning_rate or look at the data, and train in a new --workdir"
            )


def _evaluates(step: int, recipe: TrainConfig) -> bool:
    if step == 0:
        return recipe.evaluate_first
    every = recipe.evaluate_every
    return bool(every) and (step % every == 0 or step == recipe.num_train_steps)


def _learning_rates(recipe: TrainConfig, step: int) -> dict[str, float]:
    """The learning rate of each part in the update after `step` updates."""
    base = float(jnp.asarray(schedule(recipe)(step)))
    return {f"learning_rate_{part}": base * lr_multiplier(recipe, part) for part in recipe.trainable}
