"""The directory of a training: whose it is."""

import json
from pathlib import Path

from hclip_jax.config import changed_fields, to_dict
from hclip_jax.config_schema import Config
from hclip_jax.errors import UserError
from hclip_jax.files import write_atomically

_NAME = "config.json"
# What may change between runs on one directory: nothing that the weights depend on.
_FREE = (
    "evaluation.",
    "data.workers",
    "train.log_every",
    "train.checkpoint_every",
    "train.keep_checkpoints",
    "train.evaluate_",
)


def claim(workdir: Path, config: Config) -> None:
    """Makes `workdir` and writes config.json there, after `check`.

    Raises:
        UserError: as `check`, or the file cannot be written.
    """
    check(workdir, config)
    write_atomically(workdir / _NAME, json.dumps(to_dict(config), indent=2) + "\n")


def check(workdir: Path, config: Config) -> None:
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
