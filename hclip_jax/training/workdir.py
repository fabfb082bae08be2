"""Work directory: config.json and the check that a resumed run uses the same configuration."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hclip_jax.config.build import changed_fields, to_dict
from hclip_jax.config.overrides import apply_overrides
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_dict
from hclip_jax.errors import UserError, printable
from hclip_jax.io.files import write_atomically
from hclip_jax.io.json_file import read_json
from hclip_jax.io.paths import gcs_path
from hclip_jax.text.class_names import check_class_names
from hclip_jax.training.choose import FOLDER, list_steps

_CONFIG, _CLASS_NAMES = "config.json", "classes.txt"
_NUM_TRAIN_STEPS = "train.num_train_steps"
# Fields that may change between runs in one work directory: the weights do not depend on them.
_NEW_IN_DATA = ("images", "labels", "colour_map")
_MAY_CHANGE = (
    "evaluation.",
    "data.num_workers",
    "train.microbatch",
    "train.log_every",
    "train.checkpoint_every",
    "train.checkpoint_minutes",
    "train.max_to_keep",
    "train.best_metric",
    "train.log_to",
    "train.evaluate_",
)


def parse_workdir(argument: str) -> Path:
    """The path of a --workdir.

    Raises:
        UserError: it is an address that cannot be reached or where checkpoints cannot be written.
    """
    return gcs_path(argument)


def is_workdir(path: Path) -> bool:
    """Whether a folder is a work directory in which training has started.

    Raises:
        UserError: it has checkpoints, but not the configuration that they belong to.
    """
    if (path / FOLDER).is_dir() and not (path / _CONFIG).exists() and list_steps(path):
        raise _without(path, _CONFIG)
    return (path / _CONFIG).is_file() and ((path / "metrics.jsonl").is_file() or (path / FOLDER).is_dir())


def read_config_json(workdir: Path) -> Config:
    """The configuration of the training in `workdir`.

    Raises:
        UserError: its config.json is missing, broken, or of another version of hclip_jax.
    """
    path = workdir / _CONFIG
    tree = read_json(path, "give the --workdir of a training")
    try:
        return from_dict(tree)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def read_resumed_config(workdir: Path, changes: Sequence[str]) -> Config:
    """The configuration of the training in `workdir`, with changes.

    Args:
        workdir: its work directory.
        changes: see `config.overrides.read_config`.

    Raises:
        UserError: no training has started there, its config.json is broken, or a change is wrong.
    """
    if not is_workdir(workdir):
        raise UserError(
            f"{workdir} is not a work directory (it has no config.json and metrics.jsonl); give the "
            f"--workdir of hclip train"
        )
    return apply_overrides(to_dict(read_config_json(workdir)), changes)


def check_trained_class_names(workdir: Path, class_names: tuple[str, ...]) -> None:
    """Checks that a training in `workdir`, if there is one, has these class names.

    Raises:
        UserError: it has others, or the same in another order, or its list is missing.
    """
    if not (workdir / _CLASS_NAMES).exists():
        if list_steps(workdir):
            raise _without(workdir, _CLASS_NAMES)
        return
    if not is_workdir(workdir):
        return
    trained = read_trained_class_names(workdir)
    if trained == class_names:
        return
    pairs = itertools.zip_longest(trained, class_names)
    id_, (old, new) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    raise UserError(
        f"{workdir} holds a training with other class names: id {id_} was {_quoted(old)} and is now "
        f"{_quoted(new)}; restore the class list (its copy is {workdir / _CLASS_NAMES}), or give another "
        f"--workdir"
    )


def write_trained_class_names(workdir: Path, class_names: tuple[str, ...]) -> None:
    """Writes the class names of the training, one a line."""
    write_atomically(workdir / _CLASS_NAMES, "\n".join(class_names) + "\n")


def read_trained_class_names(workdir: Path) -> tuple[str, ...]:
    """The class names of the training in `workdir`.

    Raises:
        UserError: the file is missing or broken.
    """
    path = workdir / _CLASS_NAMES
    try:
        # Not `read_class_names`: names that do not come from a file may look like another form of list.
        return check_class_names(path.read_text("utf-8").removesuffix("\n").split("\n"), str(path), "line")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read ({reason}); restore it, or train in a new folder") from error


def claim_workdir(workdir: Path, config: Config) -> None:
    """Creates `workdir` and writes config.json, after `check_workdir`.

    Raises:
        UserError: as `check_workdir`, or the file cannot be written.
    """
    check_workdir(workdir, config)
    write_atomically(workdir / _CONFIG, json.dumps(to_dict(config), indent=2) + "\n")


def check_workdir(workdir: Path, config: Config, *, may_grow: bool = True) -> None:
    """Checks that `workdir` is new, or holds a training of the same configuration.

    Args:
        workdir: the work directory.
        config: the configuration.
        may_grow: whether it may have more steps than the training.

    Raises:
        UserError: it is a file, holds a training of another configuration, or checkpoints without one.
    """
    path = workdir / _CONFIG
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"--workdir={workdir} is a file; give a folder")
    if not path.exists():
        if list_steps(workdir):
            raise _without(workdir, _CONFIG)
        return
    existing = read_json(path, "give another --workdir")
    if not isinstance(existing, dict):
        raise UserError(f"{path} is no configuration; give another --workdir")
    # Work directories of older versions have no start, and less in data.
    existing = {"start": "", **existing}
    if isinstance(existing.get("data"), dict):
        existing["data"] = {**dict.fromkeys(_NEW_IN_DATA, ""), "ignore": [], **existing["data"]}
    changed = changed_fields(existing, to_dict(config))
    changed = [field for field in changed if not field.startswith(_MAY_CHANGE)]
    if may_grow and 0 < _num_train_steps(existing) < config.train.num_train_steps:
        changed = [field for field in changed if field != _NUM_TRAIN_STEPS]
    if changed:
        only_grows = ""
        if may_grow and _NUM_TRAIN_STEPS in changed:
            only_grows = f" ({_NUM_TRAIN_STEPS} may only grow)"
        raise UserError(
            f"{workdir} holds a training of another configuration, which differs in {_listed(changed)}; "
            f"give another work directory (and this one as --config.start, to start from its model), or the "
            f"configuration in its {_CONFIG}{only_grows}"
        )


def _num_train_steps(tree: Mapping[str, Any]) -> int:
    recipe = tree.get("train")
    steps = recipe.get("num_train_steps") if isinstance(recipe, Mapping) else None
    return steps if type(steps) is int else 0


def _without(workdir: Path, name: str) -> UserError:
    return UserError(f"{workdir} has checkpoints but no {name}; restore that file, or give another --workdir")


def _listed(fields: list[str]) -> str:
    names = ", ".join(map(printable, fields[:20]))
    return names if len(fields) <= 20 else f"{names}, ... ({len(fields)} in all)"


def _quoted(name: str | None) -> str:
    return "no class" if name is None else f"'{printable(name)}'"
