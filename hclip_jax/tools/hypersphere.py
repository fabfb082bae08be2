"""Measures what tuning changed in CLIP on the hypersphere: energies, rotation angles, relations.

hclip hypersphere MODEL [--base=CLIP] [--output=DIR] [--checkpoint=STEP|best]

MODEL is a work directory, or a model directory with adapters. DIR (default: MODEL/hypersphere)
gets

    hypersphere.md     a summary table and the plots
    hypersphere.json   all measures, with their units
    energy.png         relative change of the hyperspherical energy of every attention matrix
    rotation.png       rotation angles of the learned blocks, and their orthogonality errors
    relations.png      cross-layer and cross-tower weights of DCRC

rotation.png is written for methods with blocks (hclip, oft), relations.png for hclip with dcrc. Example:

    hclip hypersphere runs/vitb
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.io.paths import to_path
from hclip_jax.io.progress import console
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.tools.signals import orderly_end
from hclip_jax.weights.hub.names import is_hub_name

if TYPE_CHECKING:
    from hclip_jax.analysis.hypersphere.measure import HypersphereMeasures
    from hclip_jax.weights.checkpoint import Checkpoint


@orderly_end()
def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or the model cannot be measured.
    """
    parser = Parser(prog="hclip hypersphere", description=__doc__)
    add = parser.add_argument
    add("model", type=to_path, metavar="MODEL", help="work directory, model directory, or hf:OWNER/NAME")
    add(
        "--base",
        type=to_path,
        metavar="CLIP",
        help="CLIP of a model directory that holds adapters without CLIP",
    )
    add("--output", type=to_path, metavar="DIR", help="(default: MODEL/hypersphere)")
    parser.add_checkpoint()
    args = parser.parse_args(argv)
    if args.output is None and (args.model.is_file() or is_hub_name(args.model)):
        what = "is a file" if args.model.is_file() else "is on the Hub"
        raise UserError(f"{args.model} {what}, so it cannot hold the results; give --output=DIR")

    # Imported after the arguments are checked: JAX takes more than a second to start.
    from hclip_jax.analysis.hypersphere.measure import measure
    from hclip_jax.load import open_model

    model = open_model(args.model, args.base, checkpoint=args.checkpoint)
    if "adapters" not in model.parts:
        raise UserError(
            f"{model.where} has no adapters (none were trained, or they were merged), so there is nothing to "
            f"measure; give a work directory, or a model directory with adapters"
        )
    config = model.require_spec().architecture.adapters
    with console.status("measuring"):
        params = model.only("clip", "adapters").load_params()
        _check_finite(params["adapters"], model.where)
        measures = measure(config, params["clip"], params["adapters"])
    _write(args.output or args.model / "hypersphere", measures, model)
    return 0


def _check_finite(adapters: dict, where: str) -> None:
    import jax
    import numpy as np

    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(adapters)):
        raise UserError(f"{where} has adapters that are not finite; give a model whose training did not fail")


def _write(output: Path, measures: "HypersphereMeasures", model: "Checkpoint") -> None:
    """Writes all files and prints the summary table."""
    from rich.table import Table

    from hclip_jax.analysis.hypersphere.plots import plot_energy, plot_relations, plot_rotations
    from hclip_jax.analysis.hypersphere.report import notes, table_rows, to_json, to_markdown

    plots = ["energy.png"]
    plot_energy(output / "energy.png", measures.energy)
    if measures.rotations is not None:
        plots.append("rotation.png")
        plot_rotations(output / "rotation.png", measures.rotations)
    if measures.relations is not None:
        plots.append("relations.png")
        plot_relations(output / "relations.png", measures.relations)
    write_atomically(output / "hypersphere.json", to_json(measures, model.where, model.source))
    write_atomically(output / "hypersphere.md", to_markdown(measures, model.source, plots))

    table = Table(f"method {measures.method}", "text", "image")
    for row in table_rows(measures):
        table.add_row(*row)
    console.print(table)
    for note in notes(measures):
        console.print(note)
    console.print(f"{output}/: hypersphere.md, hypersphere.json, {', '.join(plots)}")


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
