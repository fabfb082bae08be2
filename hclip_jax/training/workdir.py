"""The directory of a training: whose it is."""

import json
from pathlib import Path

from hclip_jax.config.build import changed_fields, to_dict
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_dict
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.text.class_names import read_class_names

_NAME, _CLASSES = "config.json", "classes.txt"
# What may change between runs on one directory: nothing that the weights depend on.
_FREE = (
    "evaluation.",
    "data.num_workers",
    "train.log_every",
    "train.checkpoint_every",
    "train.max_to_keep",
    "train.evaluate_",
)


def is_workdir(path: Path) -> bool:
    """Whether a folder is that of a training."""
    return (path / _NAME).is_file() and (path / "metrics.jsonl").is_file()


def read_config_json(workdir: Path) -> Config:
    """The configuration that `workdir` was trained with.

    Raises:
        UserError: its config.json is missing, broken, or of another version of hclip_jax.
    """
    path = workdir / _NAME
    try:
        tree = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no configuration ({error}); give the directory of a training") from error
    return from_dict(tree)


def write_trained_class_names(workdir: Path, class_names: tuple[str, ...]) -> None:
    """Writes the class names that are trained with, one a line."""
    write_atomically(workdir / _CLASSES, "\n".join(class_names) + "\n")


def read_trained_class_names(workdir: Path) -> tuple[str, ...]:
    """The class names that `workdir` was trained with."""
    return read_class_names(workdir / _CLASSES)


def claim_workdir(workdir: Path, config: Config) -> None:
    """Makes `workdir` and writes config.json there, after `check`.

    Raises:
        UserError: as `check`, or the file cannot be written.
    """
    check_workdir(workdir, config)
    write_atomically(workdir / _NAME, json.dumps(to_dict(config), indent=2) + "\n")


def check_workdir(workdir: Path, config: Config) -> None:
    """Checks that `workdir`, if it holds a training at all, holds one of this configuration.

    Raises:
        UserError: it holds a training of another configuration.
    """
    path = workdir / _NAME
    if not path.exists():
        return
    try:
        there = json.loads(path.read_text())
        changed = [f for f in changed_fields(there, to_dict(config)) if not f.startswith(_FREE)]
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise UserError(f"{path} is no configuration ({error}); give another --workdir") from error
    if changed:
        raise UserError(
            f"{workdir} holds a training of another configuration; {', '.join(changed)} differ: "
            f"give another --workdir, or the configuration in {path}"
        )
