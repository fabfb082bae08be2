"""`hclip evaluate MODEL --suite=NAME`: any model on all sets of a suite, beside the published figures."""

import argparse
import contextlib
import os
from pathlib import Path

from hclip_jax import processes
from hclip_jax.data.data_folder import VARIABLE, data_folder
from hclip_jax.errors import UserError
from hclip_jax.evaluation.stored import read_evaluations
from hclip_jax.evaluation.suite import Suite, built_in_suites, read_suite
from hclip_jax.io.files import check_writable
from hclip_jax.io.lock import locked
from hclip_jax.io.paths import is_address, to_path
from hclip_jax.io.progress import console
from hclip_jax.io.tables import markdown_table
from hclip_jax.tools.command_line import Parser
from hclip_jax.tools.model_options import add_loading
from hclip_jax.training.workdir import is_workdir, parse_workdir

OPTIONS = ("--suite", "--list-suites")
"""Options by which `hclip evaluate` evaluates a suite."""


def main(argv: list[str], description: str | None) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.
        description: the text of --help.

    Returns:
        The exit status: 1 if a set of the suite is missing, else 0.

    Raises:
        UserError: wrong use, the suite is wrong, no set of it is there, or as `open_model` and `run_suite`.
    """
    args = _parser(description).parse_args(argv)
    if args.list_suites:
        _print_suites()
        return 0
    suite = read_suite(args.suite)
    suite = suite.only(args.sets.split(",")) if args.sets else suite
    folder = _data_folder(args.data, suite)
    output = _output(args, suite)
    against = _other(args.against, suite, output) if args.against else None
    check_writable(output)
    with processes.joined(output), contextlib.ExitStack() as stack:
        if processes.is_primary():
            stack.enter_context(locked(output, "evaluates", "--output"))
        return _evaluate(args, suite, folder, output, against)


def _evaluate(args: argparse.Namespace, suite: Suite, folder: str, output: Path, against: Path | None) -> int:
    # Imported after the arguments are checked: JAX takes more than a second to start.
    from dataclasses import replace

    from hclip_jax.evaluation.evaluate_set import Settings
    from hclip_jax.evaluation.run_suite import make_subject, run_suite
    from hclip_jax.evaluation.suite_sets import MissingSet, open_sets
    from hclip_jax.load import open_model
    from hclip_jax.models.hclip import Model
    from hclip_jax.sharding import make_mesh

    sets = open_sets(suite, folder, args.num_images)
    missing = [one for one in sets if isinstance(one, MissingSet)]
    if len(missing) == len(sets):
        raise UserError(
            f"no set of the suite {suite.name} can be evaluated; {missing[0].entry.name}: {missing[0].reason}"
        )
    opened = open_model(args.model, args.base, checkpoint=args.checkpoint)
    architecture, protocol, class_names = opened.require_spec()
    if args.dtype:
        architecture = replace(architecture, model=replace(architecture.model, dtype=args.dtype))
    if args.protocol:
        protocol = replace(protocol, kind=args.protocol)
    subject = make_subject(
        Model(architecture), opened.load_params(), protocol, make_mesh(), args.batch_size, opened.source
    )
    settings = Settings(
        seen=class_names,
        synonyms=architecture.prompts.synonyms,
        batch_size=args.batch_size,
        num_workers=0,
        num_overlays=args.num_overlays,
        reports=output,
        overlays=output / "overlays",
    )
    return 0 if run_suite(suite, sets, subject, settings, against) else 1


def _parser(description: str | None) -> Parser:
    parser = Parser(prog="hclip evaluate", description=description)
    add = parser.add_argument
    add(
        "model",
        nargs="?",
        metavar="MODEL",
        help="work directory, model directory, file of CAT-Seg or H-CLIP, or a name hf:OWNER/NAME[/FILE]",
    )
    add(
        "--suite", metavar="NAME|FILE", help=f"built-in suite ({', '.join(built_in_suites())}) or a JSON file"
    )
    add("--list-suites", action="store_true", help="print the built-in suites and their sets")
    add("--data", default="", metavar="DIR", help=f"the --target of hclip prepare (default: ${VARIABLE})")
    add("--sets", default="", metavar="NAME,NAME", help="only these sets of the suite")
    add(
        "--output",
        type=parse_workdir,
        metavar="DIR",
        help="reports (default: MODEL/evaluation/SUITE of a work directory)",
    )
    add(
        "--against",
        type=parse_workdir,
        metavar="OTHER",
        help="the evaluated suite of another model to compare with",
    )
    add("--protocol", default="", choices=("sliding", "single"), help="default: that of the model")
    add(
        "--num_images",
        type=int,
        default=0,
        metavar="N",
        help="N images of each set, evenly spread (default: all)",
    )
    add("--num_overlays", type=int, default=8, metavar="N", help="overlays of each set (default: 8)")
    add("--batch_size", type=int, default=1, metavar="N", help="images in a batch (default: 1)")
    add_loading(parser)
    return parser


def _data_folder(given: str, suite: Suite) -> str:
    """The folder of the sets with relative roots; "" if all have other roots."""
    folder = given or data_folder()
    if not folder and any(not os.path.isabs(one.root) and ":" not in one.root for one in suite.sets):
        raise UserError(
            f"the suite {suite.name} needs the folder of its sets: give --data=DIR, the --target of hclip "
            f"prepare, or set the environment variable {VARIABLE}"
        )
    if folder and not is_address(folder) and not Path(folder).is_dir():
        option = f"--data={given}" if given else f"{VARIABLE}={folder}"
        raise UserError(f"{option} is no folder; give the --target of hclip prepare")
    return folder


def _output(args: argparse.Namespace, suite: Suite) -> Path:
    if not args.model:
        raise UserError("MODEL is missing; give a work directory, a model directory or a weights file")
    for name, least in (("num_images", 0), ("num_overlays", 0), ("batch_size", 1)):
        if getattr(args, name) < least:
            raise UserError(f"--{name} is {getattr(args, name)}; it must be {least} or more")
    if args.output:
        return args.output
    model = to_path(args.model)
    if not is_workdir(model):
        raise UserError(
            f"--output=DIR is missing: {args.model} is no work directory, so give a folder for the reports"
        )
    return _reports(model, suite)


def _other(other: Path, suite: Suite, output: Path) -> Path:
    """The folder with the reports of the other model, after checking that there is something."""
    folder = _reports(other, suite) if is_workdir(other) else other
    if folder.resolve() == output.resolve():
        raise UserError(f"--against={other} is the evaluation that is written; give that of another model")
    read_evaluations(folder, [entry.name for entry in suite.sets])
    return folder


def _reports(workdir: Path, suite: Suite) -> Path:
    return workdir / "evaluation" / suite.name


def _print_suites() -> None:
    suites = [read_suite(name) for name in built_in_suites()]
    for suite in suites:
        rows = [[one.name, one.title, one.benchmark, one.split] for one in suite.sets]
        console.print(f"{suite.name}: {suite.title}\n")
        console.print(markdown_table(["set", "title", "benchmark", "split"], rows), markup=False)
