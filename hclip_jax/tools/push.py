"""Uploads a model with a model card to the Hugging Face Hub.

hclip push DIR hf:OWNER/NAME [--private] [--output=FOLDER] [--license=ID] [--base_model=OWNER/NAME]
    [--checkpoint=STEP|best]

DIR is a work directory of hclip train or a model directory. The repository, which is created if it is
missing, gets one commit with model.safetensors, config.json and the card README.md. A README.md in DIR is
uploaded unchanged. --output writes the three files to a folder instead, to look at them, or to edit the card
and push the folder. A token that may write is needed: hf auth login, or HF_TOKEN. Afterwards,
--model=hf:OWNER/NAME is the model. Example:

    hclip push runs/vitb hf:me/street-hclip --license=mit --base_model=openai/clip-vit-base-patch16 --private
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hclip_jax.errors import UserError, printable
from hclip_jax.io.files import check_creatable, create_dir_atomically, write_atomically
from hclip_jax.io.paths import local_path
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.signals import orderly_end
from hclip_jax.training.choose import list_steps, step_of
from hclip_jax.training.workdir import is_workdir, read_config_json
from hclip_jax.weights.hub.names import PREFIX, HubName, is_hub_name, parse_hub_name
from hclip_jax.weights.hub.upload import check_target, upload

if TYPE_CHECKING:
    from hclip_jax.weights.hub.card import Facts

_CARD = "README.md"
_MODEL_FILES = ("model.safetensors", "config.json")
_UNKNOWN = "unknown"


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, DIR has no segmentation head, or as `weights.hub.upload.upload`.
    """
    parser = Parser(prog="hclip push", description=__doc__)
    add = parser.add_argument
    add("model", type=local_path, metavar="DIR", help="work directory, or model directory")
    add("name", metavar="hf:OWNER/NAME", help="repository on the Hub")
    add("--private", action="store_true", help="only you can read the repository")
    add("--output", type=local_path, metavar="FOLDER", help="write the files there, and upload nothing")
    add(
        "--license",
        default=_UNKNOWN,
        metavar="ID",
        help="of the weights, as the Hub writes it: mit, apache-2.0, cc-by-nc-4.0 (default: unknown)",
    )
    add(
        "--base_model",
        default="",
        metavar="OWNER/NAME",
        help="its CLIP on the Hub (default: that of the training, if it was given by such a name)",
    )
    parser.add_checkpoint()
    args = parser.parse_args(argv)
    name = parse_hub_name(args.name)
    check_target(name)
    _check(args)
    _push(args, name)
    return 0


def _push(args: argparse.Namespace, name: HubName) -> None:
    has_card = (args.model / _CARD).is_file()
    facts = None if has_card else _facts(args)
    with tempfile.TemporaryDirectory(prefix="hclip_push_") as temporary:
        files = _files(args, name, facts, Path(temporary) / "model")
        if args.output:
            _write(args.output, files)
            console.print(f"{args.output}/ is written; hclip push {args.output} {name} uploads it")
        else:
            console.print(f"{name} is uploaded: {upload(name, files, args.private)}")
    given = {} if facts is None else {"base_model": facts.base_model, "license": facts.license != _UNKNOWN}
    if missing := [f"--{option}" for option, value in given.items() if not value]:
        console.print(f"note: {' and '.join(missing)} would complete the card")


def _check(args: argparse.Namespace) -> None:
    if args.output:
        if args.private:
            raise UserError("--private is of an upload, and --output uploads nothing; give one of them")
        check_creatable(args.output)
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", args.license):
        raise UserError(
            f"--license is '{printable(args.license)}'; it must be an identifier of the Hub, such as mit, "
            f"apache-2.0 or cc-by-nc-4.0"
        )
    if args.base_model:
        args.base_model = parse_hub_name(PREFIX + args.base_model.removeprefix(PREFIX)).repo
    if (args.model / _CARD).exists() and (args.base_model or args.license != _UNKNOWN):
        raise UserError(
            f"{args.model / _CARD} is uploaded unchanged; write license and base_model there and leave the "
            f"options out, or remove the file"
        )


def _files(
    args: argparse.Namespace, name: HubName, facts: "Facts | None", folder: Path
) -> dict[str, Path | bytes]:
    """The files of the repository; those of a model that is no model directory are written to `folder`."""
    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.load import open_model
    from hclip_jax.weights.hub.card import model_card
    from hclip_jax.weights.model_directory import is_model_directory, save_model

    model = open_model(args.model, checkpoint=args.checkpoint)
    if model.spec is None or "head" not in model.parts:
        raise UserError(f"{model.where} has no segmentation head; give a trained model")
    if is_model_directory(args.model):
        folder = args.model
    else:
        save_model(folder, model)
    files: dict[str, Path | bytes] = {file: folder / file for file in _MODEL_FILES}
    files[_CARD] = model_card(model, model.spec, name, facts).encode() if facts else args.model / _CARD
    return files


def _facts(args: argparse.Namespace) -> "Facts":
    """The arguments, and what a work directory states."""
    from hclip_jax.evaluation.report import read_summaries
    from hclip_jax.weights.hub.card import Facts

    base_model, evaluations = args.base_model, {}
    if is_workdir(args.model):
        weights = read_config_json(args.model).clip.weights
        if not base_model and is_hub_name(weights) and parse_hub_name(weights).kind == "model":
            base_model = parse_hub_name(weights).repo
        chosen = step_of(args.model, args.checkpoint)
        step = max(list_steps(args.model)) if chosen is None else chosen
        evaluations = read_summaries(args.model / "evaluation", step)
    return Facts(args.license, base_model, evaluations)


def _write(output: Path, files: Mapping[str, Path | bytes]) -> None:
    with create_dir_atomically(output) as folder:
        for name, content in files.items():
            if isinstance(content, bytes):
                write_atomically(folder / name, content)
            else:
                shutil.copyfile(content, folder / name)


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
