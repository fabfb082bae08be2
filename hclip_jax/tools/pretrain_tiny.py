"""Trains the small CLIP that configs/tiny.py starts from: contrastively, on captioned built-in pictures.

python -m hclip_jax.tools.pretrain_tiny TARGET [--config=configs/tiny.py] [--steps=N]

It sees all words of the built-in world, and their synonyms, but no pixel labels. TARGET becomes a model
directory with CLIP alone, in float16; use it as --config.clip.weights=TARGET. The one that comes with this
package was made by

    python -m hclip_jax.tools.pretrain_tiny hclip_jax/weights/tiny

and is what --config.clip.weights=tiny means.
"""

import sys
from pathlib import Path

import jax
import numpy as np

from hclip_jax.config.overrides import read_config
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.files import check_absent
from hclip_jax.io.progress import console
from hclip_jax.pretraining.train import CANDIDATES, Recipe, pretrain
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.layouts.layout import flatten
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    parser = Parser(prog="python -m hclip_jax.tools.pretrain_tiny", description=__doc__)
    add = parser.add_argument
    add("target", type=Path, metavar="TARGET", help="model directory to make")
    add("--config", default="configs/tiny.py", metavar="FILE", help="whose towers (default: configs/tiny.py)")
    add("--steps", type=int, default=1000, help="updates (default: 1000)")
    add("--batch", type=int, default=64, help="pictures and captions an update (default: 64)")
    add("--learning_rate", type=float, default=1e-3, help="the highest (default: 1e-3)")
    add("--seed", type=int, default=0, help="of everything random (default: 0)")
    add("--workers", type=int, default=2, help="processes that draw (default: 2)")
    args = parser.parse_args(argv)
    check_absent(args.target)
    clip = read_config(args.config).clip
    recipe = Recipe(args.steps, args.batch, args.learning_rate, args.seed, args.workers)
    params, found = pretrain(clip, recipe)
    arrays = flatten(jax.device_get({"clip": params}))
    leaves = {path: LazyArray.of(np.asarray(value, np.float16)) for path, value in arrays.items()}
    source = f"built-in captions, {recipe.num_train_steps} steps, right among {CANDIDATES}: {found:.1%}"
    save_model(args.target, Checkpoint("this training", source, clip, None, leaves))
    console.print(f"{args.target}: {sum(leaf.size for leaf in arrays.values()):,} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
