"""The tables of `hclip prepare`: the catalogue, and what a set was made of."""

from pathlib import Path

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.dataset import Archive, Dataset, Split
from hclip_jax.datasets.prepare import Report
from hclip_jax.datasets.prepared import SplitState
from hclip_jax.io.progress import console
from hclip_jax.io.tables import markdown_table

_FIGURES = ("H-CLIP ViT-B/16", "H-CLIP ViT-L/14", "CAT-Seg ViT-B/16", "CAT-Seg ViT-L/14")
_DIGESTS = {"same": "official", "differs": "not the official ones", "unknown": "not compared"}
_MAX_WARNINGS = 5


def print_catalogue() -> None:
    """Prints the data sets, what to download for each, and published figures."""
    sets = [
        [
            dataset.key,
            str(len(dataset.class_names)),
            ", ".join(f"{_split(split)} {name}" for name, split in dataset.splits.items()),
            *(_figure(dataset, method) for method in _FIGURES),
        ]
        for dataset in CATALOGUE.values()
    ]
    header = ["name", "classes", "images", *_FIGURES]
    console.print(
        markdown_table(header, sets, ["left", "right", "left", *("right",) * len(_FIGURES)]), markup=False
    )
    console.print("mIoU in percent, as published\n")
    archives = [
        [
            dataset.key,
            archive.name,
            _size(archive.num_bytes),
            archive.checksum or "none known",
            _address(dataset, archive),
            dataset.terms,
        ]
        for dataset in CATALOGUE.values()
        for archive in dataset.archives
    ]
    header = ["name", "archive", "size", "checksum", "address", "licence"]
    console.print(markdown_table(header, archives), markup=False)


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


def _split(split: Split) -> str:
    return f"{split.num_images:,}{' (optional)' if split.optional else ''}"


def _names(state: SplitState) -> str:
    return _DIGESTS[state.digest] if state.num_found == state.num_official else "incomplete"


def _figure(dataset: Dataset, method: str) -> str:
    return f"{dataset.figures[method]:.1f}" if method in dataset.figures else "-"


def _size(num_bytes: int) -> str:
    if not num_bytes:
        return "-"
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"


def _address(dataset: Dataset, archive: Archive) -> str:
    return f"{archive.url}{f' (register: {dataset.registration})' if dataset.registration else ''}"
