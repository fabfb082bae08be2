"""Verifies an official copy and writes the prepared set; nothing remains of an attempt that fails."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hclip_jax.datasets.dataset import Dataset, Listing
from hclip_jax.datasets.folder_format import write_folder
from hclip_jax.datasets.locate import find_root
from hclip_jax.datasets.prepared import FILE, PreparedState, SplitState, to_json
from hclip_jax.datasets.records import Record, read_records
from hclip_jax.datasets.summary import Summary
from hclip_jax.datasets.verify import Completeness, check_split, incomplete
from hclip_jax.errors import UserError

FORMATS = ("tfds", "folder")

Advance = Callable[[], None]
Progress = Callable[[str, int], Advance]
"""Starts a progress bar of a name and a total; the returned function advances it by one."""


class Source(NamedTuple):
    """An official copy that was found: its folder, the files of each split, how complete each is.

    `labels` is "" or one of the data set's `other_labels`.
    """

    dataset: Dataset
    root: Path
    listings: dict[str, Listing]
    completeness: dict[str, Completeness]
    labels: str = ""


class Report(NamedTuple):
    """The result of reading an official copy: its state and the counts of each split."""

    root: Path
    state: PreparedState
    summaries: dict[str, Summary]


def open_source(dataset: Dataset, source: Path, *, partial: bool, labels: str = "") -> Source:
    """Finds and lists an official copy; images are not read yet.

    Args:
        dataset: the data set.
        source: its folder, or the folder of several data sets.
        partial: whether an incomplete copy is allowed.
        labels: one of the data set's `other_labels`, "" for the official ones.

    Raises:
        UserError: it is not there, known to be wrong, or incomplete without `partial`, or `labels`
            is unknown.
    """
    list_split = _lister(dataset, labels)
    root = find_root(dataset, source)
    all_splits = {split: list_split(root, split) for split in dataset.splits}
    completeness = {split: check_split(dataset, split, listing) for split, listing in all_splits.items()}
    if not partial and any(state.problems for state in completeness.values()):
        raise UserError(incomplete(dataset, completeness))
    listings = {split: listing for split, listing in all_splits.items() if listing and listing.files}
    if not listings:
        raise UserError(f"{root} has no labelled image: {incomplete(dataset, completeness)}")
    return Source(dataset, root, listings, {split: completeness[split] for split in listings}, labels)


def _lister(dataset: Dataset, labels: str) -> Callable[[Path, str], Listing | None]:
    if not labels:
        return dataset.list_split
    if labels not in dataset.other_labels:
        fix = "".join(f"give {name}, or " for name in dataset.other_labels)
        raise UserError(f"{dataset.key} has no labels {labels!a}: {fix}leave --labels out")
    return dataset.other_labels[labels]


def verify(source: Source, progress: Progress) -> Report:
    """Reads and checks all images; writes nothing.

    Raises:
        UserError: files are damaged or not official ones.
    """
    reading = _Reading(source, progress)
    for records in reading.records.values():
        for _ in records:
            pass
    return reading.report()


def write(source: Source, folder: Path, data_format: str, progress: Progress) -> Report:
    """Reads and checks all images and writes the prepared set, or nothing.

    Args:
        source: the official copy.
        folder: the folder to create, TARGET/KEY.
        data_format: one of FORMATS.
        progress: makes progress bars.

    Raises:
        UserError: files are damaged or not official ones, or the folder exists or cannot be written.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already: remove it, or give another --target")
    reading = _Reading(source, progress)
    with _unfinished(folder) as unfinished:
        (unfinished / folder.name).mkdir()
        if data_format == "folder":
            state_folder = write_folder(unfinished / folder.name, source.dataset, reading.records)
        else:
            from hclip_jax.datasets.tfds_format import write_tfds  # TFDS takes a second to import

            sizes = {split: _size(listing) for split, listing in source.listings.items()}
            state_folder = write_tfds(unfinished, source.dataset, reading.records, sizes)
        report = reading.report()
        (state_folder / FILE).write_text(to_json(report.state), "utf-8")
        (unfinished / folder.name).rename(folder)
    return report


class _Reading:
    """The records of all splits, and what they say about the copy once they are read."""

    def __init__(self, source: Source, progress: Progress) -> None:
        self._source = source
        dataset = source.dataset
        self._warnings = [
            warning for listing in source.listings.values() for warning in dataset.probe(listing.files)
        ]
        self._summaries = {split: Summary.empty(dataset) for split in source.listings}
        self.records = {split: self._read(split, progress) for split in source.listings}

    def _read(self, split: str, progress: Progress) -> Iterator[Record | None]:
        dataset, files, summary = (
            self._source.dataset,
            self._source.listings[split].files,
            self._summaries[split],
        )
        advance = progress(f"{dataset.key} {split}", len(files))
        yield from read_records(dataset, files, summary, advance)
        if not summary.num_images:
            raise UserError(f"{dataset.key}: no image of {split} shows a class: nothing can be prepared")
        self._warnings += dataset.review(self._source.root, split, summary)

    def report(self) -> Report:
        """The report, after all records were read."""
        remarks = [remark for summary in self._summaries.values() for remark in summary.remarks]
        splits = {
            split: SplitState(
                self._summaries[split].num_images,
                state.num_found,
                state.num_official,
                state.digest,
                not state.problems and not self._source.labels,
                self._source.labels,
            )
            for split, state in self._source.completeness.items()
        }
        dataset = self._source.dataset
        state = PreparedState(dataset.key, splits, dataset.fold_background, (*self._warnings, *remarks))
        return Report(self._source.root, state, self._summaries)


def _size(listing: Listing) -> tuple[int, int]:
    """The number of images of a split and their bytes, estimated from at most 200 of them."""
    count = len(listing.files)
    sample = [files.image.stat().st_size for files in listing.files[:: max(1, count // 200)]]
    return count, sum(sample) * count // len(sample)


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside `folder`, and removes it at the end.

    The remains of a killed run are removed first: the name is fixed. A lock, which ends with its process,
    keeps a second run from removing what the first one is writing.
    """
    path = folder.with_name(f".{folder.name}.unfinished")
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("w") as file:
        try:
            import fcntl  # absent from Windows

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process prepares {folder}: wait for its end") from None
        except (ImportError, OSError):
            pass
        for child in path.iterdir():
            if child.name != "lock":
                shutil.rmtree(child)
        try:
            yield path
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written ({error.strerror or error}): choose a folder with space that "
                "you may write to"
            ) from error
        finally:
            shutil.rmtree(path, ignore_errors=True)
