"""Makes a model directory of other people's weights, or of a training.

python -m hclip_jax.tools.convert SOURCE TARGET [--verify] [--adapters_only] [--base=CLIP]

SOURCE is a file, or the folder it lies in: CLIP by OpenAI (.pt), OpenCLIP or Hugging Face (.safetensors,
.bin), CAT-Seg or H-CLIP (.pth); or the directory of a training, or a model directory. What it is, how large
and with which activation is found from the file. TARGET gets model.safetensors and config.json. Examples:

    python -m hclip_jax.tools.convert ViT-B-16.pt clip-vitb --verify
    python -m hclip_jax.tools.convert runs/vitb my-adapters --adapters_only
    python -m hclip_jax.tools.convert my-adapters my-model --base=clip-vitb

No code of a file is ever run. Exit status 2 and one sentence for what cannot be read; TARGET is written
whole or not at all.
"""

import dataclasses
import sys
from pathlib import Path

from hclip_jax.errors import UserError
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.progress import console
from hclip_jax.load import open_model
from hclip_jax.tools.model_table import feature_lines, model_table
from hclip_jax.weights.model_directory import load_model, save_model


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    parser = Parser(prog="python -m hclip_jax.tools.convert", description=__doc__)
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="file, folder, training or model directory"
    )
    parser.add_argument("target", type=Path, metavar="TARGET", help="model directory to make")
    parser.add_argument("--verify", action="store_true", help="run both towers on fixed inputs and tell")
    parser.add_argument("--adapters_only", action="store_true", help="leave CLIP out: --base gives it back")
    parser.add_argument("--base", type=Path, metavar="CLIP", help="the CLIP that SOURCE's adapters belong to")
    parser.add_argument(
        "--activation",
        default="",
        choices=("quick_gelu", "gelu"),
        help="of a CLIP whose file does not tell (default: quick_gelu for OpenAI's, gelu for OpenCLIP's)",
    )
    args = parser.parse_args(argv)
    model = open_model(args.source, args.base, args.activation)
    if args.adapters_only:
        model.require_spec()
        model = dataclasses.replace(model.only("adapters", "head"), base=model.fingerprint())
        if "adapters" not in model.parts:
            raise UserError(f"{args.source} has no adapters; convert it without --adapters_only")
    if args.verify and "clip" not in model.parts:
        raise UserError(f"--verify runs CLIP, which {args.target} is to be without; leave --verify out")
    save_model(args.target, model)
    console.print(model_table(model, args.source))
    if args.verify:
        for line in feature_lines(load_model(args.target)):
            console.print(line)
    return 0


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
