"""The evaluation of a checkpoint on the suite of its configuration."""

import contextlib
from pathlib import Path

from jax.sharding import Mesh

from hclip_jax import processes
from hclip_jax.config.schema import Config
from hclip_jax.data.data_folder import data_folder
from hclip_jax.evaluation.evaluate_set import Settings
from hclip_jax.evaluation.run_suite import make_subject, run_suite
from hclip_jax.evaluation.suite import read_suite
from hclip_jax.evaluation.suite_sets import MissingSet, open_sets
from hclip_jax.io.lock import locked
from hclip_jax.io.progress import console
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params


class ConfiguredSuite:
    """The suite of a configuration: config.evaluation.suite and the data folder."""

    def __init__(self, config: Config) -> None:
        """Opens the sets.

        Raises:
            UserError: the suite is wrong, or contradicts a set.
        """
        evaluation = config.evaluation
        self._config = config
        self._suite = read_suite(evaluation.suite)
        self._sets = open_sets(self._suite, data_folder(), evaluation.num_images)

    def run(
        self, model: Model, params: Params, mesh: Mesh, seen: tuple[str, ...], source: str, workdir: Path
    ) -> None:
        """Evaluates a model; the table goes to WORKDIR/evaluation/SUITE.

        Args:
            model: the model.
            params: its parameters on `mesh`.
            mesh: devices to run on.
            seen: class names of the training.
            source: origin of the parameters.
            workdir: the work directory.

        Raises:
            UserError: another process evaluates the suite there, or as `run_suite`.
        """
        config = self._config
        if all(isinstance(one, MissingSet) for one in self._sets):
            reason = next(one.reason for one in self._sets if isinstance(one, MissingSet))
            console.print(f"no set of the suite {self._suite.name} is evaluated: {reason}", markup=False)
            return
        folder = workdir / "evaluation" / self._suite.name
        settings = Settings(
            seen=seen,
            synonyms=config.prompts.synonyms,
            batch_size=config.evaluation.batch_size,
            num_workers=config.data.num_workers,
            num_overlays=config.evaluation.num_overlays,
            reports=folder,
            overlays=folder / "overlays",
        )
        subject = make_subject(model, params, config.protocol, mesh, settings.batch_size, source)
        with contextlib.ExitStack() as stack:
            if processes.is_primary():
                stack.enter_context(locked(folder, "evaluates", "work directory"))
            run_suite(self._suite, self._sets, subject, settings)
