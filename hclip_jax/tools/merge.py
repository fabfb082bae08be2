"""Merges the adapters into CLIP's weights, for programs without adapter code.

hclip merge MODEL TARGET --format=model|openai|huggingface [--base=CLIP] [--dtype=DTYPE]
    [--checkpoint=STEP|best]

    model        model directory without adapters: the tuned CLIP and the head
    openai       only CLIP, with OpenAI's names: TARGET.pt for clip.load and open_clip, or TARGET.safetensors
    huggingface  only CLIP, as a folder for transformers.CLIPModel.from_pretrained

Tensors keep the dtype they had before training (--dtype changes it); in a model directory, tensors that the
adapters changed are float32. The result is read back, and its features of fixed inputs are compared with
those of MODEL with its adapters: if they differ by more than rounding, nothing is written. Example:

    hclip merge runs/vitb vitb-hclip.pt --format=openai
"""

import argparse
import sys

from hclip_jax.errors import UserError
from hclip_jax.io.files import check_creatable, create_atomically
from hclip_jax.io.paths import local_path, to_path
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.signals import orderly_end

FORMATS = ("model", "openai", "huggingface")
"""The keys of `hclip_jax.weights.export.EXPORTS`, which imports JAX."""
DTYPES = ("float32", "float16", "bfloat16")


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or MODEL cannot be read, or TARGET cannot be written or differs from MODEL.
    """
    parser = Parser(prog="hclip merge", description=__doc__)
    add = parser.add_argument
    add(
        "model",
        type=to_path,
        metavar="MODEL",
        help="model directory, work directory, file of H-CLIP, or hf:...",
    )
    add("target", type=local_path, metavar="TARGET", help="file or folder to create")
    add("--format", required=True, choices=FORMATS, help="see above")
    add("--base", type=to_path, metavar="CLIP", help="the CLIP of a MODEL that holds only adapters")
    add("--dtype", choices=DTYPES, help="of all tensors of CLIP (default: unchanged)")
    parser.add_checkpoint()
    args = parser.parse_args(argv)
    if args.format == "openai" and args.target.suffix not in (".pt", ".safetensors"):
        raise UserError(
            f"{args.target.name} has the suffix {args.target.suffix!r}; --format=openai writes .pt or "
            f".safetensors"
        )
    check_creatable(args.target)
    _merge(args)
    return 0


def _merge(args: argparse.Namespace) -> None:
    # Imported after the arguments are checked: JAX takes more than a second to start.
    import jax.numpy as jnp
    import numpy as np

    from hclip_jax.load import open_model
    from hclip_jax.tools.merge_check import check_finite, max_differences, normalized_features, tolerance
    from hclip_jax.weights.export import EXPORTS, merge_adapters
    from hclip_jax.weights.model_directory import load_model
    from hclip_jax.weights.open_checkpoint import open_checkpoint

    checkpoint = open_model(args.model, args.base, checkpoint=args.checkpoint)
    checkpoint.require_clip()
    dtype = jnp.dtype(args.dtype) if args.dtype else None
    result = merge_adapters(checkpoint, dtype, keep_precision=args.format == "model")
    with create_atomically(args.target) as temporary:
        expected = normalized_features(merge_adapters(checkpoint, None, keep_precision=True))
        check_finite(expected, args.model)
        EXPORTS[args.format](temporary, result)
        # A format that does not say the number of heads and the activation is read with those of the model.
        written = (
            load_model(temporary) if args.format == "model" else open_checkpoint(temporary, checkpoint.clip)
        )
        differences = max_differences(normalized_features(written), expected)
        largest, allowed = np.max(differences["float32"]), tolerance(written)  # unlike max, keeps a NaN
        if not largest <= allowed:
            raise UserError(
                f"{args.target} is not written: its features would differ by {largest:.2g} from those of "
                f"{args.model} with its adapters, where rounding explains {allowed:.2g}; try "
                f"--dtype=float32"
            )
    for name, (image, text) in differences.items():
        console.print(
            f"largest difference of normalized features in {name}: image {image:.2g}, text {text:.2g}"
        )
    before = f"{args.model}{' with its adapters' * ('adapters' in checkpoint.parts)}"
    within = f"within {largest:.1g}, and rounding explains {allowed:.1g}" if largest else "exactly"
    console.print(f"right: the merged features equal those of {before} {within}")
    console.print(f"{args.target} is written", markup=False)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
