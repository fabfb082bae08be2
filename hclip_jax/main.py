r"""Trains H-CLIP, with evaluations. The same command resumes a training from its newest checkpoint.

hclip train --config=NAME|FILE --workdir=DIR [--checkpoint=STEP] [--mesh=DATAxCLASS]
    [--config.FIELD=VALUE ...]

The work directory DIR gets config.json, classes.txt, inputs.json, metrics.jsonl, checkpoints/, evaluation/
and overlays/. --checkpoint=STEP resumes from an older checkpoint, and moves newer ones to
DIR/checkpoints_set_aside. --config.FIELD=VALUE changes a field of the configuration. Examples:

    hclip train --config=tiny --workdir=runs/tiny
    hclip train --config=tiny --workdir=runs/other --config.train.batch_size=8 \
        --config.head.decoder_dims="(32, 16)"
"""

import sys

from hclip_jax import processes, runtime
from hclip_jax.config.overrides import read_config
from hclip_jax.errors import UserError
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.training.stop import Stopped, StopRequest
from hclip_jax.training.workdir import parse_workdir


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or as `training.loop.train` and `evaluate_checkpoint`.
    """
    parser = Parser(prog="hclip train", description=__doc__)
    add = parser.add_argument
    add(
        "--config",
        required=True,
        metavar="NAME|FILE",
        help="built-in configuration such as tiny or vitb, or a Python file with get_config()",
    )
    add("--workdir", required=True, metavar="DIR", help="work directory; created, or resumed")
    add(
        "--mode",
        choices=("train", "evaluate"),
        default="train",
        metavar="MODE",
        help="train (default), or evaluate: as hclip evaluate DIR, with the configuration given here",
    )
    parser.add_checkpoint()
    add(
        "--mesh",
        default="",
        metavar="DATAxCLASS",
        help="devices that share the images of a batch x those that share the classes of an image "
        "(default: as many images as possible)",
    )
    args, overrides = parser.parse_with_overrides(argv)
    workdir = parse_workdir(args.workdir)
    if args.mesh and args.mode == "evaluate":
        raise UserError("--mesh is of a training; leave it out with --mode=evaluate")
    config = read_config(args.config, overrides)

    # Imported after the arguments are checked: JAX takes more than a second to start.
    try:
        with StopRequest() as stop, stop.before_first_step():
            from hclip_jax.sharding import make_mesh
            from hclip_jax.training import loop

        with processes.joined(workdir):
            if processes.count() > 1:
                runtime.share_programs(workdir / "programs", processes.is_primary())
            if args.mode == "evaluate":
                loop.evaluate_checkpoint(config, workdir, checkpoint=args.checkpoint)
                return 0
            mesh = make_mesh(batch_size=config.train.batch_size, shape=args.mesh)
            loop.train(config, workdir, mesh, checkpoint=args.checkpoint)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.status
    except KeyboardInterrupt:
        if args.mode == "evaluate":
            raise
        message = "interrupted; the same command resumes from the newest checkpoint"
        raise KeyboardInterrupt(message) from None
    return 0


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
