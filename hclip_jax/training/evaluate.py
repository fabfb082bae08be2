"""The evaluation of a checkpoint."""

import dataclasses
import json
from pathlib import Path

from jax.sharding import Mesh

from hclip_jax import processes
from hclip_jax.config.build import to_dict
from hclip_jax.config.schema import Config
from hclip_jax.evaluation.evaluate import Evaluator
from hclip_jax.io.progress import bar
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.training.page import update_page
from hclip_jax.training.restore import restore_params
from hclip_jax.training.suite import ConfiguredSuite
from hclip_jax.training.workdir import (
    check_workdir,
    claim_workdir,
    is_workdir,
    read_trained_class_names,
)
from hclip_jax.version import __version__


def evaluate_checkpoint(
    config: Config, workdir: Path, mesh: Mesh | None = None, checkpoint: int | str | None = None
) -> None:
    """Evaluates a checkpoint of `workdir`, or the untrained model if no training has started there.

    A suite of the configuration is evaluated too, with its table.

    Args:
        config: as it was trained with, except `evaluation`.
        workdir: as for `train`.
        mesh: devices to run on; all of them by default.
        checkpoint: its step, or "best"; the newest by default.

    Raises:
        UserError: the data, the class names, the weights, the checkpoint or `workdir` are wrong, or a
            training has started there and has no checkpoint.
    """
    mesh = mesh or make_mesh()
    check_workdir(workdir, config)
    processes.agree(configuration=json.dumps(to_dict(config)), version=__version__)
    model = Model(config.architecture)
    suite = ConfiguredSuite(config) if config.evaluation.suite else None
    evaluation = dataclasses.replace(config.evaluation, suite="")
    evaluator = Evaluator(model, evaluation, config.protocol, config.data, mesh, workdir)
    seen = read_trained_class_names(workdir) if is_workdir(workdir) else ()
    params, step = restore_params(config, model, workdir, mesh, checkpoint)
    if not is_workdir(workdir) and processes.is_primary():
        claim_workdir(workdir, config)  # a training keeps its own configuration
    with bar() as progress:
        evaluator.run(params, seen, step, progress)
    if is_workdir(workdir):
        update_page(workdir)
    if suite:
        source = f"training {workdir.name}, step {step}, CLIP from {config.clip.weights}"
        suite.run(model, params, mesh, seen, source, workdir)
