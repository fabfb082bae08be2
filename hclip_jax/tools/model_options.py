"""The options of the commands that load a model to label images."""

from typing import get_args

from hclip_jax.config.schema import Dtype
from hclip_jax.tools.command_line import Parser


def add_model(parser: Parser) -> None:
    """Adds --model and what `add_loading` adds."""
    parser.add_argument(
        "--model",
        required=True,
        metavar="DIR",
        help="model directory, work directory, file of CAT-Seg or H-CLIP, or a name hf:OWNER/NAME[/FILE]",
    )
    add_loading(parser)


def add_loading(parser: Parser) -> None:
    """Adds --base, --dtype and --checkpoint, which say how the model is loaded."""
    parser.add_argument(
        "--base", metavar="CLIP", help="the CLIP of a model directory that holds only adapters"
    )
    parser.add_argument(
        "--dtype",
        default="",
        choices=get_args(Dtype),
        help="dtype of CLIP's activations (default: as in training)",
    )
    parser.add_checkpoint()
