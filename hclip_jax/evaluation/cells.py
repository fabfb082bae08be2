"""A cell: one model on one set of a suite, run once and found again by what it depends on."""

import hashlib
import json
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from rich.progress import Progress

from hclip_jax import processes
from hclip_jax.config.build import to_dict
from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.errors import UserError
from hclip_jax.evaluation.evaluate_set import Settings, evaluate_set, metrics_text
from hclip_jax.evaluation.image_counts import read_counts
from hclip_jax.evaluation.suite_sets import OpenSet
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io.files import append_text, sha256_of, write_atomically
from hclip_jax.io.json_file import format_json, read_json
from hclip_jax.io.paths import is_address
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.version import __version__


class Subject(NamedTuple):
    """The model of an evaluation.

    Attributes:
        model: the model.
        params: its parameters on the devices of `mesh`, with the adapters folded into CLIP.
        protocol: how images become inputs of the model.
        mesh: devices of this process.
        source: origin of the weights.
        fingerprint: sha256 of the parameters.
    """

    model: Model
    params: Params
    protocol: InferenceProtocol
    mesh: Mesh
    source: str
    fingerprint: str


def run_cell(
    subject: Subject,
    opened: OpenSet,
    settings: Settings,
    progress: Progress,
    is_stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Evaluates a model on a set, unless the report of the same evaluation is there.

    Args:
        subject: the model.
        opened: the set.
        settings: settings of the evaluation; its reports get NAME.log too.
        progress: receives a progress bar.
        is_stopping: whether to leave; asked after every batch.

    Returns:
        In the primary process, the report of `write_report` with the conditions as `cell`; else {}.

    Raises:
        UserError: an image cannot be read, or a report cannot be written.
        EvaluationStopped: a process left.
    """
    conditions = _conditions(subject, opened, settings)
    key = hashlib.sha256(json.dumps(conditions, sort_keys=True).encode()).hexdigest()
    processes.agree(**{f"evaluation_of_{opened.entry.name}": key})
    path = settings.reports / f"{opened.entry.name}.json"
    found = _finished(path, key) if processes.is_primary() else None
    # The reports may be on a disk that only the primary sees.
    if processes.total(np.array([found is not None], np.int64))[0]:
        progress.console.print(f"{opened.entry.name}: evaluated already", markup=False)
        return found or {}
    start = time.time()
    log = _Log(path.with_suffix(".log"))
    log.write(f"started, hclip_jax {__version__}, jax {jax.__version__}, Python {platform.python_version()}")
    log.write(f"{jax.device_count()} x {jax.devices()[0].device_kind}, {processes.count()} process(es)")
    for name, value in {"root": opened.root, "images": opened.images, **conditions}.items():
        log.write(f"{name}: {value}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Names that CLIP reads as the same words: published lists have some, and the report lists them.
        prompts = subject.model.prompts(opened.labelled.source.class_names)
    for warning in caught:
        log.write(f"warning: {warning.message}")
    predictor = Predictor(subject.model, subject.params, prompts, subject.mesh, subject.protocol)
    details = {"protocol": subject.protocol.kind}
    confusion = evaluate_set(opened.labelled, predictor, settings, details, progress, is_stopping)
    seconds = round(time.time() - start, 1)
    summary = confusion.summary()
    log.write(f"finished in {seconds} s: {json.dumps(summary)}")
    # At once: the table comes after all sets, which may take hours.
    progress.console.print(f"{opened.entry.name}: {metrics_text(summary)}  ({seconds:,} s)", markup=False)
    if not processes.is_primary():
        return {}
    report = read_json(path, "evaluate again")
    counts = sha256_of(path.with_suffix(".npz"))
    report["cell"] = {**conditions, "key": key, "counts": counts, "seconds": seconds, "root": opened.root}
    write_atomically(path, format_json(report))
    return report


def _conditions(subject: Subject, opened: OpenSet, settings: Settings) -> dict[str, Any]:
    """Everything that the figures of a cell depend on; JSON values."""
    source = opened.labelled.source
    architecture = subject.model.architecture
    return {
        "model": subject.fingerprint,
        "architecture": _digest(to_dict(architecture)),
        "dtype": architecture.model.dtype,
        "protocol": asdict(subject.protocol),
        "split": opened.entry.split,
        "data": source.digest(),
        "class_names": _digest(source.class_names),
        "trained_class_names": _digest(sorted(settings.seen)),
        "num_images": opened.labelled.num_images,
        "fold_background": opened.labelled.fold_background,
        "version": __version__,
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _finished(path: Path, key: str) -> dict[str, Any] | None:
    """The report of a finished cell; None if there is none, or that of another evaluation."""
    if not path.exists():
        return None
    try:
        report = read_json(path, "")
        cell = report["cell"]
        if cell["key"] != key:
            return None
        # Another evaluation may have been killed after it had replaced the counts, which it writes first.
        counts = path.with_suffix(".npz")
        read_counts(counts)
        return report if cell["counts"] == sha256_of(counts) else None
    except (UserError, KeyError, TypeError, OSError):  # damaged: it is evaluated again
        return None


class _Log:
    """The log of a cell; only the primary writes it."""

    def __init__(self, path: Path) -> None:
        self._path, self._text = path, ""
        if processes.is_primary():
            write_atomically(path, "")

    def write(self, line: str) -> None:
        if not processes.is_primary():
            return
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {' '.join(line.split())}\n"
        self._text += line
        if is_address(self._path):  # an object store does not append
            write_atomically(self._path, self._text)
        else:
            append_text(self._path, line)
