"""Trains and evaluates H-CLIP.

python -m hclip_jax.main --config=configs/NAME.py --workdir=DIR [--mode=train|evaluate] [--config.a.b=value]

Running it again on the same DIR resumes. Exit status 2 and one sentence for anything the caller got wrong.
"""

import logging
import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from hclip_jax.config import Config, from_config_dict
from hclip_jax.errors import UserError

_CONFIG = config_flags.DEFINE_config_file("config", help_string="Python file with get_config().")
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the training, made or resumed.")
_MODE = flags.DEFINE_enum("mode", "train", ["train", "evaluate"], "What to do.")


def main(argv: list[str]) -> int:
    """Runs the command line `argv` and returns the exit status."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax tells of every file it writes
    try:
        config, workdir = _parse(argv)
        # Only now: a mistyped flag should not wait for JAX to start.
        from hclip_jax.training import loop

        {"train": loop.train, "evaluate": loop.evaluate_newest}[_MODE.value](config, workdir)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command resumes from the newest checkpoint", file=sys.stderr)
        return 130
    return 0


def _parse(argv: list[str]) -> tuple[Config, Path]:
    try:
        rest = flags.FLAGS(argv)[1:]
        config = _CONFIG.value
    except (
        flags.Error,
        AttributeError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        OSError,
    ) as error:
        raise UserError(f"{str(error).strip()} (see --help)") from error
    if rest:
        raise UserError(f"{rest[0]!r} is not a flag; flags look like --name=value (see --help)")
    for name, value in (("config", config), ("workdir", _WORKDIR.value)):
        if not value:
            raise UserError(f"--{name} is missing: give --config=configs/NAME.py --workdir=DIR")
    return from_config_dict(config), Path(_WORKDIR.value)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
