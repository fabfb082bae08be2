"""Runs a model on the sets of a suite and writes the table; what is done already is not run again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
from flax.traverse_util import flatten_dict
from jax.sharding import Mesh

from hclip_jax import processes
from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.evaluation.backbones import backbone
from hclip_jax.evaluation.cells import Subject, run_cell
from hclip_jax.evaluation.comparison import compare_folders
from hclip_jax.evaluation.evaluate_set import Settings
from hclip_jax.evaluation.suite import Suite
from hclip_jax.evaluation.suite_rows import Row, measured_row, missing_row
from hclip_jax.evaluation.suite_sets import MissingSet, OpenSet
from hclip_jax.evaluation.suite_table import Table, markdown, write_table
from hclip_jax.inference.predictor import merge_adapters
from hclip_jax.io.progress import bar, console
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import localize, own_mesh
from hclip_jax.version import __version__
from hclip_jax.weights.checkpoint import fingerprint


def make_subject(
    model: Model, params: Params, protocol: InferenceProtocol, mesh: Mesh, batch_size: int, source: str
) -> Subject:
    """Folds the adapters into CLIP, once for all sets.

    Args:
        model: the model.
        params: its parameters, on the host or on `mesh`.
        protocol: how images become inputs of the model.
        mesh: devices to run on; of several processes, each uses its own.
        batch_size: images in a batch.
        source: origin of the weights.
    """
    digest = fingerprint(flatten_dict(jax.device_get(params), sep="/"))
    own = own_mesh(mesh, batch_size)
    local = merge_adapters(model, localize(params, own))
    return Subject(model, local, protocol, own, source, digest)


def run_suite(
    suite: Suite,
    sets: Sequence[OpenSet | MissingSet],
    subject: Subject,
    settings: Settings,
    against: Path | None = None,
) -> bool:
    """Evaluates a model on the sets of a suite, and writes and prints the table.

    The table is written after every set. All processes must call it.

    Args:
        suite: the suite.
        sets: its sets, see `open_sets`.
        subject: the model.
        settings: settings of the evaluation; its folder of reports receives table.{json,md,csv} too.
        against: folder with the reports of another model to compare with.

    Returns:
        Whether all sets were there.

    Raises:
        UserError: an image cannot be read, a file cannot be written, or nothing can be compared.
    """
    size = backbone(subject.model.architecture.clip)
    about = _describe(subject, size)
    rows = [
        missing_row(
            one.entry, suite, size, one.reason if isinstance(one, MissingSet) else "not evaluated yet"
        )
        for one in sets
    ]
    processes.agree(suite=repr([(row.name, row.reason == "not evaluated yet") for row in rows]))
    with bar() as progress:
        for number, one in enumerate(sets):
            if isinstance(one, OpenSet):
                report = run_cell(subject, one, settings, progress)
                if processes.is_primary():
                    rows[number] = measured_row(one, suite, size, report)
                    write_table(settings.reports, Table(suite, about, rows))
    if processes.is_primary():
        table = _compared(Table(suite, about, rows), settings.reports, against)
        write_table(settings.reports, table)
        console.print(markdown(table), end="")
    return not any(isinstance(one, MissingSet) for one in sets)


def _compared(table: Table, folder: Path, against: Path | None) -> Table:
    if against is None:
        return table
    names = [row.name for row in table.rows if _is_measured(row)]
    found, remarks = compare_folders(folder, against, names)
    return table._replace(
        against=str(against), comparisons={row.name: row for row in found}, remarks=tuple(remarks)
    )


def _is_measured(row: Row) -> bool:
    return not row.reason


def _describe(subject: Subject, size: str) -> Mapping[str, str]:
    return {
        "source": subject.source,
        "fingerprint": subject.fingerprint,
        "backbone": size,
        "dtype": subject.model.architecture.model.dtype,
        "protocol": subject.protocol.kind,
        "version": __version__,
    }
