"""Folds the adapters into CLIP's weights, so that CLIP needs no code of ours.

python -m hclip_jax.tools.merge MODEL TARGET --format=model|openai|huggingface [--base=CLIP] [--dtype=...]

    model        a model directory without adapters: CLIP as it became, and the head
    openai       CLIP alone with OpenAI's names: TARGET.pt for clip.load and open_clip, or .safetensors
    huggingface  CLIP alone as a folder for transformers.CLIPModel.from_pretrained

Tensors keep the dtype they had before training (--dtype changes that), except in a model directory, where
what the adapters changed is float32. Tells by how much features on fixed inputs differ from those of the
model with its adapters; by more than rounding explains, and nothing is written. Example:

    python -m hclip_jax.tools.merge runs/vitb vitb-hclip.pt --format=openai
"""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.files import create_atomically
from hclip_jax.io.progress import console
from hclip_jax.load import open_model
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.clip_features import clip_features, fixed_inputs
from hclip_jax.weights.export import EXPORTS, merged
from hclip_jax.weights.model_directory import load_model
from hclip_jax.weights.open_checkpoint import open_checkpoint

_ROUNDING = 32  # steps of the coarsest dtype by which an entry of a unit feature may differ

_TOWERS, _COMPUTED = ("image", "text"), ("float32", "bfloat16")
_DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    parser = Parser(prog="python -m hclip_jax.tools.merge", description=__doc__)
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="model directory, or directory of a training"
    )
    parser.add_argument("target", type=Path, metavar="TARGET", help="file or folder to make")
    parser.add_argument("--format", required=True, choices=tuple(EXPORTS), help="see above")
    parser.add_argument("--base", type=Path, metavar="CLIP", help="the CLIP that MODEL's adapters belong to")
    parser.add_argument("--dtype", choices=tuple(_DTYPES), help="of all tensors (default: as they were)")
    args = parser.parse_args(argv)
    before = open_model(args.model, args.base)
    before.require_clip()
    dtype = np.dtype(_DTYPES[args.dtype]) if args.dtype else None
    after = merged(before, dtype, keep_precision=args.format == "model")
    with create_atomically(args.target) as place:
        wanted = _unit_features(merged(before, None, keep_precision=True))
        if not all(np.isfinite(x).all() for x in wanted.values()):
            raise UserError(f"{args.model} has features that are not finite; give a model of finite weights")
        EXPORTS[args.format](place, after)
        # Of heads and activation, where the format does not say them, those of the model count.
        written = load_model(place) if args.format == "model" else open_checkpoint(place, before.clip)
        found = _unit_features(written)
        differences = {which: float(np.abs(found[which] - wanted[which]).max()) for which in wanted}
        largest = np.max([differences[tower, "float32"] for tower in _TOWERS])
        if not largest <= _allowed(written):
            raise UserError(
                f"{args.target} is not written: its features would differ by {largest:.2g} from those of "
                f"{args.model} with its adapters, where rounding explains {_allowed(written):.2g}; try "
                f"--dtype=float32"
            )
    for dtype in _COMPUTED:
        image, text = (differences[tower, dtype] for tower in _TOWERS)
        console.print(f"largest difference of unit features in {dtype}: image {image:.2g}, text {text:.2g}")
    console.print(f"{args.target} is written")
    return 0


def _unit_features(model: Checkpoint) -> dict[tuple[str, str], np.ndarray]:
    """Features of length 1 of fixed inputs, by tower and the dtype they are computed in."""
    params, inputs = model.only("clip").load_params()["clip"], fixed_inputs(model.clip)
    features = {dtype: clip_features(model.clip, params, *inputs, dtype) for dtype in _COMPUTED}
    with np.errstate(invalid="ignore"):  # if they are not finite
        return {
            (tower, dtype): x / np.linalg.norm(x, axis=-1, keepdims=True)
            for dtype, towers in features.items()
            for tower, x in zip(_TOWERS, towers, strict=True)
        }


def _allowed(model: Checkpoint) -> float:
    """By how much rounding to the dtypes of a model may change an entry of its unit features."""
    dtypes = {leaf.dtype for leaf in model.only("clip").params.values()}
    return _ROUNDING * max(float(ml_dtypes.finfo(dtype).eps) for dtype in dtypes)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
