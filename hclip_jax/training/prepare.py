"""Opens everything that a training needs, up to its first step."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import jax
import optax
from jax.sharding import Mesh

from hclip_jax import processes
from hclip_jax.config.build import to_dict
from hclip_jax.config.schema import Config
from hclip_jax.data.labelled import check_labelled
from hclip_jax.data.layout import Layout
from hclip_jax.data.loader import TrainBatches, train_batches
from hclip_jax.data.sources import open_source
from hclip_jax.evaluation.evaluate import Evaluator
from hclip_jax.io.lock import locked
from hclip_jax.io.progress import console
from hclip_jax.models.hclip import Model, Prompts
from hclip_jax.models.params import Params
from hclip_jax.sharding import local_rows, named_sharding
from hclip_jax.training.best import find_metric, forget_gone, settings_digest
from hclip_jax.training.checkpoints import TrainCheckpoints, restore
from hclip_jax.training.choose import (
    FOLDER,
    ChosenCheckpoint,
    choose_checkpoint,
    damaged,
    list_steps,
    set_newer_aside,
)
from hclip_jax.training.init import initial_params
from hclip_jax.training.inputs import (
    check_class_names,
    check_clip,
    check_start,
    data_change,
    find_inputs,
    read_inputs,
    write_inputs,
)
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.report import parameter_table, schedule_change
from hclip_jax.training.start import open_start
from hclip_jax.training.state import TrainState, init_state, split
from hclip_jax.training.step import place_prompts
from hclip_jax.training.workdir import (
    check_trained_class_names,
    check_workdir,
    claim_workdir,
    is_workdir,
    read_config_json,
    write_trained_class_names,
)
from hclip_jax.version import __version__


class Training(NamedTuple):
    """A training before its next step; `rows` of each batch are read by this process."""

    config: Config
    workdir: Path
    mesh: Mesh
    model: Model
    optimizer: optax.GradientTransformation
    class_names: tuple[str, ...]
    prompts: Prompts
    evaluator: Evaluator
    checkpoints: TrainCheckpoints
    batches: TrainBatches
    rows: range
    frozen: Params
    state: TrainState


def prepare(
    config: Config, workdir: Path, mesh: Mesh, checkpoint: int | str | None, stack: contextlib.ExitStack
) -> Training:
    """Opens a training, at its first step or at a checkpoint.

    Args:
        config: model, data and recipe.
        workdir: created if it does not exist.
        mesh: devices to train on.
        checkpoint: the step to resume from, or "best"; by default the newest. Newer ones are moved away.
        stack: closes the checkpoints and the batches, and unlocks `workdir`.

    Raises:
        UserError: the data, the class names, the weights, `workdir` or its checkpoint are wrong, or another
            process trains there.
    """
    # Everything that may be wrong with the input, before anything is written.
    check_workdir(workdir, config)
    processes.agree(configuration=json.dumps(to_dict(config)), version=__version__)
    data, recipe = config.data, config.train
    layout = Layout(data.images, data.labels, data.colour_map)
    source = open_source(data.root, data.split, data.classes_file, data.label_set, data.ignore, layout)
    if processes.is_primary() and (warning := check_labelled(source)):
        console.print(warning, markup=False)
    check_trained_class_names(workdir, source.class_names)
    check_class_names(workdir, source.class_names)
    model, optimizer = Model(config.architecture), make_optimizer(recipe)
    evaluator = Evaluator(model, config.evaluation, config.protocol, data, mesh, workdir)
    best_metric = find_metric(recipe.best_metric, evaluator.set_names)
    prompts = place_prompts(model.prompts(source.class_names), mesh)
    start = open_start(config)
    params = initial_params(model, config.seed, mesh, start)
    inputs = find_inputs(config, params["clip"], source, start.fingerprint if start else "")
    check_clip(workdir, config, inputs.clip_fingerprint)
    check_start(workdir, config, inputs.start_fingerprint)
    processes.agree(
        class_list=json.dumps(source.class_names),
        weights=inputs.clip_fingerprint + inputs.start_fingerprint,
        data=inputs.data_digest,
    )
    trainable, frozen = split(params, recipe.trainable)
    # Placed like the step's output: otherwise the second step compiles again.
    state = jax.device_put(init_state(trainable, optimizer), named_sharding(mesh, "params"))

    has_started = is_workdir(workdir)
    if processes.is_primary():
        stack.enter_context(locked(workdir, "trains", "--workdir"))
    chosen, position = choose_checkpoint(workdir, checkpoint), 0
    if start and chosen is None:
        console.print(start.summary, markup=False)
    if chosen is not None:
        state, position = _restore(workdir, chosen, state)
        if change := schedule_change(read_config_json(workdir).train, recipe, chosen.step):
            console.print(change)
        if change := data_change(read_inputs(workdir), inputs):
            console.print(change)
    elif has_started:
        console.print("there is no checkpoint yet: starting again from the first step")
    processes.barrier("the checkpoint is read")
    if processes.is_primary():
        if chosen is not None:
            set_newer_aside(workdir, chosen)
        forget_gone(workdir / FOLDER, list_steps(workdir))
        claim_workdir(workdir, config)
        write_trained_class_names(workdir, source.class_names)
        write_inputs(workdir, inputs)
    processes.barrier("the work directory is written")
    console.print(parameter_table(config.architecture.adapters, params, recipe.trainable))
    best = best_metric, settings_digest(config.evaluation)
    checkpoints = stack.enter_context(TrainCheckpoints(workdir, recipe.max_to_keep, *best))
    rows = local_rows(mesh, recipe.batch_size)
    batches = train_batches(
        source,
        batch_size=recipe.batch_size,
        crop_size=data.crop_size,
        seed=config.seed,
        num_workers=data.num_workers,
        rows=rows,
    )
    stack.enter_context(contextlib.closing(batches))
    if chosen is not None:
        batches.set_state({"batches": position})
        console.print(f"resuming after step {chosen.step} of {recipe.num_train_steps}")
    return Training(
        config=config,
        workdir=workdir,
        mesh=mesh,
        model=model,
        optimizer=optimizer,
        class_names=source.class_names,
        prompts=prompts,
        evaluator=evaluator,
        checkpoints=checkpoints,
        batches=batches,
        rows=rows,
        frozen=frozen,
        state=state,
    )


def _restore(workdir: Path, chosen: ChosenCheckpoint, state: TrainState) -> tuple[TrainState, int]:
    """The state of a checkpoint, placed like `state`, and the number of batches before it."""
    like = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    fields, data = restore(workdir, chosen, like)
    position = data.get("batches")
    if not isinstance(position, int) or position < 0:
        raise damaged(workdir, chosen.step, "its position in the data is no number")
    return TrainState(**fields), position
