"""The tables of `hclip prepare`: the catalogue, and what a set was made of."""

from pathlib import Path

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.dataset import Archive, Dataset
from hclip_jax.datasets.prepare import Report
from hclip_jax.datasets.prepared import SplitState, read_state
from hclip_jax.io.progress import console
from hclip_jax.io.tables import markdown_table

_FIGURES = ("H-CLIP ViT-B/16", "H-CLIP ViT-L/14", "CAT-Seg ViT-B/16", "CAT-Seg ViT-L/14")
_DIGESTS = {"same": "official", "differs": "not the official ones", "unknown": "not compared"}
_MAX_WARNINGS = 5
_OPTIONAL = " (optional)"


def print_catalogue() -> None:
    """Prints the data sets, what to download for each, and published figures."""
    sets = [
        [
            dataset.key,
            _classes(dataset),
            ", ".join(
                f"{split.num_images:,} {name}{_OPTIONAL if split.optional else ''}"
                for name, split in dataset.splits.items()
            ),
            *(_figure(dataset, method) for method in _FIGURES),
        ]
        for dataset in CATALOGUE.values()
    ]
    header = ["name", "classes", "images", *_FIGURES]
    console.print(
        markdown_table(header, sets, ["left", "right", "left", *("right",) * len(_FIGURES)]), markup=False
    )
    console.print("mIoU in percent, as published; docs/benchmarks.md has more methods")
    for dataset in CATALOGUE.values():
        register = f"\n  register: {dataset.registration}" if dataset.registration else ""
        licence = f"\n  licence: {dataset.terms}"
        archives = "".join(f"\n  {_archive(archive)}" for archive in dataset.archives)
        console.print(f"\n{dataset.key}{licence}{register}{archives}")


def format_report(dataset: Dataset, report: Report, folder: Path | None) -> str:
    """Formats what was read, from where, and what looks wrong.

    Args:
        dataset: the data set.
        report: of its preparation or verification.
        folder: the prepared set; None if nothing was written.
    """
    rows = []
    for split, summary in report.summaries.items():
        state = report.state.splits[split]
        left_out = f", {summary.num_left_out} left out" if summary.num_left_out else ""
        rows.append(
            [
                split,
                state.describe() + left_out,
                f"{(summary.images_by_class > 0).sum()} of {dataset.num_label_ids}",
                f"{summary.num_ignored / summary.num_pixels:.1%}",
                _size(summary.num_bytes),
                _names(state),
            ]
        )
    header = ["split", "images", "classes seen", "unlabelled", "size", "names"]
    align = ["left", "right", "right", "right", "right", "left"]
    verb = f"prepared in {folder}" if folder else "verified, nothing written"
    warnings = report.state.warnings
    lines = [f"warning: {warning}" for warning in warnings[:_MAX_WARNINGS]]
    if len(warnings) > _MAX_WARNINGS:
        lines.append(f"and {len(warnings) - _MAX_WARNINGS:,} more warnings")
    table = markdown_table(header, rows, align)
    return f"{dataset.key} of {report.root}: {verb}\n{table}" + "".join(f"{line}\n" for line in lines)


def describe_state(folder: Path) -> str:
    """One line a split of a prepared set: "val: 3 of 1,449 (partial)"; "" if there is no state."""
    state = read_state(folder)
    return "".join(f"{name}: {split.describe()}\n" for name, split in state.splits.items()) if state else ""


def _classes(dataset: Dataset) -> str:
    names, ids = len(dataset.class_names), dataset.num_label_ids
    return str(ids) if names == ids else f"{ids} ({names} names)"


def _names(state: SplitState) -> str:
    return _DIGESTS[state.digest] if state.num_found == state.num_official else "incomplete"


def _figure(dataset: Dataset, method: str) -> str:
    return f"{dataset.figures[method]:.1f}" if method in dataset.figures else "-"


def _size(num_bytes: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if num_bytes >= unit:
            return f"{num_bytes / unit:.1f} {name}"
    return f"{num_bytes / 1e3:.1f} kB"


def _archive(archive: Archive) -> str:
    size = f", {_size(archive.num_bytes)}" if archive.num_bytes else ""
    return f"{archive.name}{size}, {archive.checksum or 'no checksum known'}\n    {archive.url}"
