"""Trains the small CLIP of configs/tiny.py, contrastively, on patches of built-in scenes.

python -m hclip_jax.tools.pretrain_tiny TARGET [--config=tiny] [--num_train_steps=1600] [--batch_size=16]
    [--learning_rate=2e-3] [--seed=0] [--num_workers=2]

Unlike a real CLIP, it learns where things are: the scenes know what each patch shows, and a patch is pulled
to phrases that name it, with all terms of the scenes and their synonyms, and of all compositions. The five
compositions that no pixel label of `configs/tiny.py` shows are therefore new to the segmentation head and the
adapters, not to this CLIP. Scenes differ from those with pixel labels.

TARGET becomes a model directory with CLIP alone, in float16; use it as --config.clip.weights=TARGET. The CLIP
of this package, --config.clip.weights=tiny, was trained with

    python -m hclip_jax.tools.pretrain_tiny hclip_jax/weights/tiny
"""

import argparse
import sys

from hclip_jax.config.overrides import read_config
from hclip_jax.config.schema import ClipConfig
from hclip_jax.io.files import check_absent
from hclip_jax.io.paths import local_path
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, an invalid configuration, or TARGET exists or cannot be written.
    """
    parser = Parser(prog="python -m hclip_jax.tools.pretrain_tiny", description=__doc__)
    add = parser.add_argument
    add("target", type=local_path, metavar="TARGET", help="model directory to create")
    add("--config", default="tiny", metavar="NAME|FILE", help="configuration of the towers (default: tiny)")
    add("--num_train_steps", type=int, default=1600, help="number of updates (default: 1600)")
    add("--batch_size", type=int, default=16, help="images a step (default: 16)")
    add("--learning_rate", type=float, default=2e-3, help="the peak learning rate (default: 2e-3)")
    add("--seed", type=int, default=0, help="of the parameters and the data (default: 0)")
    add("--num_workers", type=int, default=2, help="processes that draw scenes (default: 2)")
    args = parser.parse_args(argv)
    check_absent(args.target)
    _pretrain(args, read_config(args.config).clip)
    return 0


def _pretrain(args: argparse.Namespace, clip: ClipConfig) -> None:
    # Imported after the arguments are checked: JAX takes more than a second to start.
    import jax
    import numpy as np
    from flax.traverse_util import flatten_dict

    from hclip_jax.pretraining.train import Recipe, pretrain
    from hclip_jax.weights.checkpoint import Checkpoint
    from hclip_jax.weights.lazy_array import LazyArray
    from hclip_jax.weights.model_directory import save_model

    recipe = Recipe(args.num_train_steps, args.batch_size, args.learning_rate, args.seed, args.num_workers)
    clip_params, accuracy = pretrain(clip, recipe)
    flat = flatten_dict(jax.device_get({"clip": clip_params}), sep="/")
    params = {path: LazyArray.of(np.asarray(array, np.float16)) for path, array in flat.items()}
    source = (
        f"patches of built-in scenes, {recipe.num_train_steps} steps, accuracy of patches among class names: "
        f"{accuracy:.1%}"
    )
    save_model(args.target, Checkpoint("this training", source, clip, None, params))
    console.print(f"{args.target}: {sum(array.size for array in jax.tree.leaves(clip_params)):,} parameters")


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
