"""Folds the adapters into CLIP's weights, so that CLIP needs no code of ours.

python -m hclip_jax.tools.merge MODEL TARGET --format=model|openai|huggingface [--base=CLIP] [--dtype=...]

    model        a model directory without adapters: CLIP as it became, and the head
    openai       CLIP alone with OpenAI's names: TARGET.pt for clip.load and open_clip, or .safetensors
    huggingface  CLIP alone as a folder for transformers.CLIPModel.from_pretrained

Tensors keep the dtype they had before training (--dtype changes that), except in a model directory, where
what the adapters changed is float32. Tells by how much features on fixed inputs differ from those of the
model with its adapters. Example:

    python -m hclip_jax.tools.merge runs/vitb vitb-hclip.pt --format=openai
"""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np

from hclip_jax.load import open_model
from hclip_jax.progress import console
from hclip_jax.tools.command import Parser, run
from hclip_jax.weights.clip_features import clip_features, fixed_inputs
from hclip_jax.weights.export import EXPORTS, merged
from hclip_jax.weights.stored_model import StoredModel

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
    before.need_clip()
    dtype = np.dtype(_DTYPES[args.dtype]) if args.dtype else None
    after = merged(before, dtype, keep_precision=args.format == "model")
    EXPORTS[args.format](args.target, after)
    for line in _differences(before, open_model(args.target, activation=before.clip.activation)):
        console.print(line)
    console.print(f"{args.target} is written")
    return 0


def _differences(before: StoredModel, after: StoredModel) -> list[str]:
    """How far the unit features of what was written are from those before, computed in two dtypes."""
    images, tokens = fixed_inputs(before.clip)
    adapted = merged(before, None, keep_precision=True)
    lines = []
    for dtype in ("float32", "bfloat16"):
        a, b = (
            clip_features(m.clip, m.only("clip").params()["clip"], images, tokens, dtype)
            for m in (adapted, after)
        )
        image, text = (float(np.abs(_unit(x) - _unit(y)).max()) for x, y in zip(a, b, strict=True))
        lines.append(f"largest difference of unit features in {dtype}: image {image:.2g}, text {text:.2g}")
    return lines


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
