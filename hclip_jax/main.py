r"""Trains H-CLIP, with evaluations. The same command resumes a training from its newest checkpoint.

hclip train --config=NAME|FILE --workdir=DIR [--checkpoint=STEP|best] [--mesh=DATAxCLASS]
    [--config.FIELD=VALUE ...]
hclip train DIR [--checkpoint=STEP|best] [--mesh=DATAxCLASS] [--config.FIELD=VALUE ...]

The second form resumes the training in DIR with the configuration in DIR/config.json.

The work directory DIR gets config.json, classes.txt, inputs.json, metrics.jsonl, checkpoints/, evaluation/
and overlays/. --checkpoint=STEP resumes from an older checkpoint, and moves newer ones to
DIR/checkpoints_set_aside. --config.FIELD=VALUE changes a field of the configuration. Examples:

    hclip train --config=tiny --workdir=runs/tiny
    hclip train --config=tiny --workdir=runs/other --config.train.batch_size=8 \
        --config.head.decoder_dims="(32, 16)"
    hclip train runs/tiny --config.train.num_train_steps=600
    hclip train --config=tiny --config.start=runs/tiny --config.data.root=photos --workdir=runs/photos
"""

import argparse
import sys

from hclip_jax import processes, runtime
from hclip_jax.config.overrides import read_config
from hclip_jax.errors import UserError
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.training.stop import Stopped, StopRequest
from hclip_jax.training.workdir import parse_workdir, read_resumed_config


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or as `training.loop.train` and `training.evaluate.evaluate_checkpoint`.
    """
    parser = Parser(prog="hclip train", description=__doc__)
    add = parser.add_argument
    add("resumed", nargs="?", metavar="DIR", help="work directory of a training to resume")
    add(
        "--config",
        metavar="NAME|FILE",
        help="built-in configuration such as tiny or vitb, or a Python file with get_config()",
    )
    add("--workdir", metavar="DIR", help="work directory; created, or resumed")
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
    workdir = parse_workdir(_given_workdir(parser, args))
    if args.mesh and args.mode == "evaluate":
        raise UserError("--mesh is of a training; leave it out with --mode=evaluate")
    is_resumed = bool(args.resumed)
    config = read_resumed_config(workdir, overrides) if is_resumed else read_config(args.config, overrides)

    # Imported after the arguments are checked: JAX takes more than a second to start.
    try:
        with StopRequest() as stop, stop.before_first_step():
            from hclip_jax.sharding import make_mesh
            from hclip_jax.training import loop
            from hclip_jax.training.evaluate import evaluate_checkpoint

        with processes.joined(workdir):
            if processes.count() > 1:
                runtime.share_programs(workdir / "programs", processes.is_primary())
            if args.mode == "evaluate":
                evaluate_checkpoint(config, workdir, checkpoint=args.checkpoint)
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


def _given_workdir(parser: Parser, args: argparse.Namespace) -> str:
    """The work directory, after checking that one of the two forms of the command is given."""
    options = {"--config": args.config, "--workdir": args.workdir}
    if args.resumed:
        if any(options.values()):
            parser.error(
                f"'{args.resumed}' beside --config or --workdir: give a work directory alone to resume the "
                f"training in it"
            )
        return args.resumed
    if missing := [name for name, value in options.items() if not value]:
        parser.error(
            f"the following arguments are required: {', '.join(missing)} (or a work directory alone, to "
            f"resume the training in it)"
        )
    return args.workdir


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
