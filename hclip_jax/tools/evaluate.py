"""Evaluates a checkpoint of a work directory on the evaluation sets of its configuration.

hclip evaluate DIR [--checkpoint=STEP] [--config.FIELD=VALUE ...]

DIR is the --workdir of hclip train. Its config.json is the configuration; --config.FIELD=VALUE changes a
field of config.evaluation. Reports go to DIR/evaluation/, overlays to DIR/overlays/. Examples:

    hclip evaluate runs/vitb
    hclip evaluate runs/vitb --config.evaluation.protocol=single --config.evaluation.num_images=100
"""

import sys

from hclip_jax import processes
from hclip_jax.config.build import to_dict
from hclip_jax.config.overrides import apply_overrides
from hclip_jax.errors import UserError
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.training.workdir import is_workdir, parse_workdir, read_config_json


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or as `training.loop.evaluate_checkpoint`.
    """
    parser = Parser(prog="hclip evaluate", description=__doc__)
    parser.add_argument("workdir", type=parse_workdir, metavar="DIR", help="work directory of hclip train")
    parser.add_checkpoint()
    args, overrides = parser.parse_with_overrides(argv)
    if not is_workdir(args.workdir):
        raise UserError(
            f"{args.workdir} is not a work directory (it has no config.json and metrics.jsonl); give the "
            f"--workdir of hclip train"
        )
    config = apply_overrides(to_dict(read_config_json(args.workdir)), overrides)

    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.training import loop

    with processes.joined(args.workdir):
        loop.evaluate_checkpoint(config, args.workdir, checkpoint=args.checkpoint)
    return 0


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
