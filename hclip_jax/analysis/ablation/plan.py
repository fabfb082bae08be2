"""The trainings of an ablation, and their final metrics."""

import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hclip_jax.config.overrides import config_path, read_config
from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError
from hclip_jax.training.metrics import read_metrics


@dataclass(frozen=True)
class Run:
    """One training of an ablation."""

    method: str
    seed: int
    config: Config
    workdir: Path
    command: tuple[str, ...]  # starts or resumes the training

    def final_metrics(self) -> dict[str, dict[str, float]] | None:
        """Metrics of the evaluation after the last step, {set: {metric: percent}}.

        None if the training is not finished.
        """
        last_step = self.config.train.num_train_steps
        final = [
            record["evaluation"]
            for record in read_metrics(self.workdir / "metrics.jsonl")
            if isinstance(record.get("evaluation"), dict) and record["step"] == last_step
        ]
        return final[-1] if final else None


def read_plan(
    config: str, workdir: Path, methods: Sequence[str] = (), seeds: Sequence[int] = ()
) -> list[Run]:
    """Reads the trainings of an ablation; all methods of one seed come before the next seed.

    Args:
        config: name or path of a configuration, as in `read_config`. Its file also defines METHODS,
            {name: ("field=value", ...)}, and SEEDS.
        workdir: parent of the work directories METHOD/SEED.
        methods: names of METHODS; all by default.
        seeds: seeds to use instead of SEEDS.

    Raises:
        UserError: the file does not exist or defines no METHODS or SEEDS, there is no method of that name, or
            a configuration is not valid.
    """
    overrides_by_method, default_seeds = _read_methods_and_seeds(config)
    for method in methods:
        if method not in overrides_by_method:
            raise UserError(
                f"--config={config} has no method {method!r}; choose from {', '.join(overrides_by_method)}"
            )
    runs = []
    for seed in seeds or default_seeds:
        for method in methods or overrides_by_method:
            overrides = [f"--config.{change}" for change in (*overrides_by_method[method], f"seed={seed}")]
            run_workdir = workdir / method.replace(" ", "_") / str(seed)
            main = (sys.executable, "-m", "hclip_jax.main")
            command = (*main, f"--config={config}", *overrides, f"--workdir={run_workdir}")
            runs.append(Run(method, seed, read_config(config, overrides), run_workdir, command))
    return runs


def _read_methods_and_seeds(config: str) -> tuple[dict[str, tuple[str, ...]], tuple[int, ...]]:
    read_config(config)  # reports a file that cannot be run
    names = runpy.run_path(str(config_path(config)))
    try:
        return dict(names["METHODS"]), tuple(names["SEEDS"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"--config={config} is not an ablation; give a configuration that defines METHODS and SEEDS, "
            f"such as ablation"
        ) from error
