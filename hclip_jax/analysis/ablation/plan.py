"""Which trainings an ablation consists of."""

import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hclip_jax.config.overrides import read_config
from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError


@dataclass(frozen=True)
class Run:
    """One training of an ablation."""

    method: str
    seed: int
    config: Config
    folder: Path
    command: tuple[str, ...]  # that trains it, or resumes


def read_plan(file: str, workdir: Path, methods: Sequence[str] = (), seeds: Sequence[int] = ()) -> list[Run]:
    """Reads the trainings of an ablation, all methods of a seed before the next seed.

    Args:
        file: a configuration as `hclip_jax.main` takes it, which also defines METHODS, {name: ("field=value",
            ...)}, and SEEDS.
        workdir: where the trainings go, `METHOD/SEED` below it.
        methods: only these; all by default.
        seeds: others than SEEDS.

    Raises:
        UserError: the file defines no METHODS or SEEDS, there is no method of that name, or a configuration
            is not valid.
    """
    names = runpy.run_path(file) if Path(file).is_file() else {}
    try:
        changes, own_seeds = dict(names["METHODS"]), tuple(names["SEEDS"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"--config={file} is no ablation; give a file such as configs/ablation.py, which defines METHODS "
            f"and SEEDS"
        ) from error
    for method in methods:
        if method not in changes:
            raise UserError(f"{file} has no method {method!r}; choose of {', '.join(changes)}")
    runs = []
    for seed in seeds or own_seeds:
        for method in methods or changes:
            flags = [f"--config.{change}" for change in (*changes[method], f"seed={seed}")]
            folder = workdir / method.replace(" ", "_") / str(seed)
            command = (
                sys.executable,
                "-m",
                "hclip_jax.main",
                f"--config={file}",
                *flags,
                f"--workdir={folder}",
            )
            runs.append(Run(method, seed, read_config(file, flags), folder, command))
    return runs
