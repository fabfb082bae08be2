"""Makes a model directory from the weights of other programs, or from a work directory.

hclip convert SOURCE TARGET [--verify] [--adapters_only] [--base=CLIP] [--checkpoint=STEP|best]

SOURCE is a weights file or its folder: CLIP by OpenAI (.pt), OpenCLIP or Hugging Face (.safetensors, .bin),
CAT-Seg or H-CLIP (.pth); or a work directory of hclip train, or a model directory; or the name of one of
them on the Hugging Face Hub, hf:OWNER/NAME[@REVISION][/FILE]. Format, sizes and
activation are detected. TARGET gets model.safetensors and config.json; it is written completely or not at
all. No code of a file is executed. Examples:

    hclip convert ViT-B-16.pt clip-vitb --verify
    hclip convert hf:openai/clip-vit-base-patch16 clip-vitb
    hclip convert runs/vitb my-adapters --adapters_only
    hclip convert my-adapters my-model --base=clip-vitb
"""

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, get_args

from hclip_jax.config.schema import Activation
from hclip_jax.errors import UserError
from hclip_jax.io.files import check_creatable
from hclip_jax.io.paths import local_path, to_path
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.signals import orderly_end

if TYPE_CHECKING:
    from hclip_jax.weights.checkpoint import Checkpoint


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or as `load.open_model` and `weights.model_directory.save_model`.
    """
    parser = Parser(prog="hclip convert", description=__doc__)
    add = parser.add_argument
    add(
        "source",
        type=to_path,
        metavar="SOURCE",
        help="weights file or folder, work directory, model directory, or hf:OWNER/NAME",
    )
    add("target", type=local_path, metavar="TARGET", help="model directory to create")
    add(
        "--verify",
        action="store_true",
        help="compare the features of fixed inputs with those of SOURCE, and print checksums",
    )
    add("--adapters_only", action="store_true", help="leave CLIP out; TARGET then needs it as --base")
    add("--base", type=to_path, metavar="CLIP", help="the CLIP of a SOURCE that holds only adapters")
    add(
        "--activation",
        default="",
        choices=get_args(Activation),
        help="of a CLIP whose file does not say it (default: quick_gelu for OpenAI's, gelu for OpenCLIP's)",
    )
    parser.add_checkpoint()
    args = parser.parse_args(argv)
    if args.adapters_only and args.verify:
        raise UserError(f"--verify runs CLIP, which {args.target} would not contain; leave --verify out")
    check_creatable(args.target)
    _convert(args)
    return 0


def _convert(args: argparse.Namespace) -> None:
    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.load import open_model
    from hclip_jax.tools.model_table import feature_lines, model_table
    from hclip_jax.weights.model_directory import load_model, save_model

    checkpoint = open_model(args.source, args.base, args.activation, args.checkpoint)
    if args.adapters_only:
        checkpoint.require_spec()
        if "adapters" not in checkpoint.parts:
            raise UserError(f"{args.source} has no adapters; convert it without --adapters_only")
        fingerprint = checkpoint.fingerprint()
        checkpoint = dataclasses.replace(checkpoint.only("adapters", "head"), base_fingerprint=fingerprint)
    if args.verify and "clip" not in checkpoint.parts:
        raise UserError(f"--verify runs CLIP, which {args.target} would not contain; leave --verify out")
    save_model(args.target, checkpoint)
    console.print(model_table(checkpoint))
    if args.verify:
        written = load_model(args.target)
        for line in feature_lines(written):
            console.print(line)
        console.print(_verdict(written, checkpoint, args))
    console.print(f"{args.target}/ is written", markup=False)


def _verdict(written: "Checkpoint", source: "Checkpoint", args: argparse.Namespace) -> str:
    """A sentence on the features of a model directory and those of its source.

    Raises:
        UserError: they differ.
    """
    import numpy as np

    from hclip_jax.tools.merge_check import check_finite, max_differences, normalized_features

    expected = normalized_features(source)
    check_finite(expected, args.source)
    largest = np.max([*max_differences(normalized_features(written), expected).values()])  # keeps a NaN
    if largest != 0:
        raise UserError(
            f"{args.target} is wrong: its features differ by {largest:.2g} from those of {args.source}; "
            f"remove it, check the disk and convert again"
        )
    return f"right: the features of {args.target} equal those of {args.source} exactly"


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
