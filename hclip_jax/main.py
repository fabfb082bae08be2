"""Trains and evaluates H-CLIP.

python -m hclip_jax.main --config=FILE --workdir=DIR [--mode=train|evaluate] [--config.a.b=value ...]

    --config=FILE        Python file with get_config(), such as configs/tiny.py
    --config.a.b=value   changes a field of it: --config.train.num_train_steps=1000 --config.head.decoder_dims="(64, 32)"
    --workdir=DIR        directory of the training; made, or resumed from its newest checkpoint
    --mode=MODE          train (unless given), or evaluate the newest checkpoint

Exit status 2 and one sentence on stderr for anything the caller got wrong.
"""

import logging
import sys
from pathlib import Path

from absl import flags

from hclip_jax.config.overrides import read_config
from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError
from hclip_jax.io.command_line import run


def main(argv: list[str]) -> int:
    """Runs the command line `argv` and returns the exit status."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax tells of every file it writes
    if "--help" in argv:
        print(__doc__)
        return 0
    return run(_run, argv, "interrupted; the same command resumes from the newest checkpoint")


def _run(argv: list[str]) -> int:
    mode, config, workdir = _parse(argv)
    # Only now: a mistyped flag should not wait for JAX to start.
    from hclip_jax.training import loop

    (loop.train if mode == "train" else loop.evaluate_newest)(config, workdir)
    return 0


def _parse(argv: list[str]) -> tuple[str, Config, Path]:
    values = flags.FlagValues()  # not absl's own, where a flag can be defined only once a process
    config = flags.DEFINE_string("config", "", "", flag_values=values)
    workdir = flags.DEFINE_string("workdir", "", "", flag_values=values)
    mode = flags.DEFINE_enum("mode", "train", ("train", "evaluate"), "", flag_values=values)
    try:
        changes = values(argv, known_only=True)[1:]
    except flags.Error as error:
        raise UserError(f"{error} (see --help)") from error
    for flag in (config, workdir):
        if not flag.value:
            raise UserError(f"--{flag.name} is missing: give --config=FILE --workdir=DIR")
    return mode.value, read_config(config.value, changes), Path(workdir.value)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
