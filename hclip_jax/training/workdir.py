"""The directory of a training: whose it is."""

import json
from pathlib import Path

from hclip_jax.config import Config, changed_fields, to_dict
from hclip_jax.errors import UserError
from hclip_jax.files import write_atomically

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
    """Makes `workdir` and writes config.json, or checks that it was made with this configuration.

    Raises:
        UserError: it holds a training of another configuration.
    """
    path = workdir / "config.json"
    mine = to_dict(config)
    if path.exists():
        try:
            there = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(f"{path} is not JSON ({error}); give another --workdir") from error
        changed = [f for f in changed_fields(there, mine) if not f.startswith(_FREE)]
        if changed:
            raise UserError(
                f"{workdir} holds a training of another configuration; {', '.join(changed)} differ: "
                f"give another --workdir, or the configuration in {path}"
            )
    write_atomically(path, json.dumps(mine, indent=2) + "\n")
