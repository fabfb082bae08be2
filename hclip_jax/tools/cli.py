"""H-CLIP: open-vocabulary segmentation by parameter-efficient tuning of CLIP.

hclip COMMAND [ARGUMENTS]
"""

import difflib
import importlib
import sys
from typing import NamedTuple

from hclip_jax.errors import UserError
from hclip_jax.tools.command_line import run
from hclip_jax.version import __version__


class Command(NamedTuple):
    """A command of `hclip`."""

    module: str  # with main(argv); imported only when the command runs
    summary: str
    uses_jax: bool = True


COMMANDS = {
    "train": Command("hclip_jax.main", "train H-CLIP, or resume a training"),
    "evaluate": Command(
        "hclip_jax.tools.evaluate", "evaluate a model on its sets or on the benchmarks of the paper"
    ),
    "segment": Command("hclip_jax.tools.segment", "segment images with any class names"),
    "demo": Command(
        "hclip_jax.tools.demo", "serve a web page to try a model: an image and words in, masks out"
    ),
    "report": Command(
        "hclip_jax.tools.report", "write a page on a training: curves, figures, images", uses_jax=False
    ),
    "prepare": Command(
        "hclip_jax.tools.prepare", "prepare and verify the data sets of the paper", uses_jax=False
    ),
    "check": Command("hclip_jax.tools.check_data", "check a labelled folder before training", uses_jax=False),
    "convert": Command(
        "hclip_jax.tools.convert", "make a model directory from published weights or a work directory"
    ),
    "merge": Command(
        "hclip_jax.tools.merge", "merge adapters into CLIP's weights, for programs without them"
    ),
    "push": Command("hclip_jax.tools.push", "upload a model with a model card to the Hugging Face Hub"),
    "hypersphere": Command("hclip_jax.tools.hypersphere", "measure and plot how tuning changed CLIP"),
    "ablate": Command("hclip_jax.tools.ablate", "train several tuning methods and seeds, and compare them"),
    "compile": Command(
        "hclip_jax.tools.compile", "compile for a TPU slice without a TPU: memory, arithmetic, transfers"
    ),
    "benchmark": Command(
        "hclip_jax.tools.benchmark", "measure the time and memory of the parts on this machine"
    ),
}


def main(argv: list[str]) -> int:
    """Runs `hclip`.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status of the command.

    Raises:
        UserError: there is no such command.
    """
    name, arguments = argv[0] if argv else "", argv[1:]
    if name in ("--help", "-h"):
        print(_help())
        return 0
    if name == "--version":
        print(_version())
        return 0
    if name not in COMMANDS:
        raise UserError(_unknown(name))
    command = COMMANDS[name]
    return run(importlib.import_module(command.module).main, arguments, uses_jax=command.uses_jax)


def entry_point() -> int:
    """The console script `hclip`."""
    return run(main, sys.argv[1:], uses_jax=False)


def _help() -> str:
    width = max(map(len, COMMANDS))
    table = "\n".join(f"    {name:{width}}  {command.summary}" for name, command in COMMANDS.items())
    return (
        f"{__doc__}\n{table}\n\n"
        "hclip COMMAND --help describes a command; hclip --version prints versions and kernels.\n"
        "Exit status: 0 = success, 1 = some images skipped or errors in the data, 2 = wrong use, with one\n"
        "sentence on stderr, 130 = interrupted (143: by SIGTERM, 129: by SIGHUP)."
    )


def _version() -> str:
    import jax

    from hclip_jax.ops.native import library

    return f"hclip {__version__} (jax {jax.__version__}, {library.description()})"


def _unknown(name: str) -> str:
    if not name:
        return f"no command is given; choose one of {', '.join(COMMANDS)} (see hclip --help)"
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the commands are {', '.join(COMMANDS)}"
    return f"{name!r} is not a command of hclip; {hint} (see hclip --help)"


if __name__ == "__main__":
    sys.exit(entry_point())
