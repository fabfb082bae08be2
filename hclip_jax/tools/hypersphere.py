"""Measures what tuning did to CLIP on the hypersphere, and paints it.

python -m hclip_jax.tools.hypersphere MODEL [--base=CLIP] [--output=DIR]

MODEL is the directory of a training, or a model directory with adapters; DIR (default: MODEL/geometry) gets

    geometry.md     a short table and the pictures
    geometry.json   all numbers, with their units
    energy.png      hyperspherical energy of every attention matrix, its change by adapting
    turning.png     by which angles the learned blocks rotate, and how far they are from being rotations
    relations.png   who hears of whom: layers of layers, blocks of blocks, one tower of the other

The last two only where the tuning method has blocks (hclip, oft) and relations (hclip with dcrc). Example:

    python -m hclip_jax.tools.hypersphere runs/vitb
"""

import sys
from pathlib import Path

import jax
import numpy as np
from rich.table import Table

from hclip_jax.analysis.hypersphere.measure import Geometry, measure
from hclip_jax.analysis.hypersphere.report import notes, rows, to_json, to_markdown
from hclip_jax.config.adapters import AdapterConfig
from hclip_jax.errors import UserError
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.files import write_atomically
from hclip_jax.io.progress import console
from hclip_jax.load import open_model
from hclip_jax.weights.checkpoint import Checkpoint


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    parser = Parser(prog="python -m hclip_jax.tools.hypersphere", description=__doc__)
    parser.add_argument(
        "model", type=Path, metavar="MODEL", help="directory of a training, or model directory"
    )
    parser.add_argument("--base", type=Path, metavar="CLIP", help="the CLIP that MODEL's adapters belong to")
    parser.add_argument("--output", type=Path, metavar="DIR", help="(default: MODEL/geometry)")
    args = parser.parse_args(argv)
    if args.output is None and args.model.is_file():
        raise UserError(f"{args.model} is a file, which nothing can be written into; give --output=DIR")
    model = open_model(args.model, args.base)
    config = _adapters(model)
    with console.status("measuring"):
        params = model.only("clip", "adapters").load_params()
        _check_finite(params["adapters"], model.where)
        geometry = measure(config, params["clip"], params["adapters"])
    _write(args.output or args.model / "geometry", geometry, model)
    return 0


def _adapters(model: Checkpoint) -> AdapterConfig:
    if "adapters" not in model.parts:
        raise UserError(
            f"{model.where} has no adapters (it never had, or they were merged), so there is nothing to "
            f"measure; give the directory of a training, or a model directory with adapters"
        )
    return model.require_spec().architecture.adapters


def _check_finite(adapters: dict, where: str) -> None:
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(adapters)):
        raise UserError(f"{where} has adapters that are not finite; give a model whose training did not fail")


def _write(output: Path, geometry: Geometry, model: Checkpoint) -> None:
    # Imported here: it takes a second, and is not needed to refuse a wrong model.
    from hclip_jax.analysis.hypersphere.plots import plot_energy, plot_relations, plot_rotations

    pictures = ["energy.png"]
    plot_energy(output / "energy.png", geometry.energy)
    if geometry.turned is not None:
        pictures.append("turning.png")
        plot_rotations(output / "turning.png", geometry.turned)
    if geometry.relations is not None:
        pictures.append("relations.png")
        plot_relations(output / "relations.png", geometry.relations)
    write_atomically(output / "geometry.json", to_json(geometry, model.where, model.source))
    write_atomically(output / "geometry.md", to_markdown(geometry, model.source, pictures))

    table = Table(f"method {geometry.method}", "text", "image")
    for row in rows(geometry):
        table.add_row(*row)
    console.print(table)
    for note in notes(geometry):
        console.print(note)
    console.print(f"{output}/: geometry.md, geometry.json, {', '.join(pictures)}")


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
