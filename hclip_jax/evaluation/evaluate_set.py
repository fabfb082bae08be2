"""Evaluation on one labelled set: predictions, pixel counts, report and overlays."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from hclip_jax import processes
from hclip_jax.data.loader import evaluation_examples
from hclip_jax.data.types import Example, Source
from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix, fold_background
from hclip_jax.evaluation.image_counts import ImageCounts, of_all_processes
from hclip_jax.evaluation.report import write_report
from hclip_jax.inference.comparison import comparison
from hclip_jax.inference.output import Prediction
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io.ahead import computed_ahead
from hclip_jax.io.background import Background
from hclip_jax.io.files import write_png
from hclip_jax.text.reading import names_read_as, same_readings


class EvaluationStopped(Exception):  # noqa: N818 - not an error
    """A process was asked to leave the evaluation."""


@dataclass(frozen=True)
class LabelledSet:
    """A set to evaluate on.

    Attributes:
        name: names its files.
        source: images, labels and the class names that the model is asked for.
        fold_background: predicted class ids from this one on count as background; 0 = no folding.
        num_images: images to evaluate, the first ones of the source.
    """

    name: str
    source: Source
    fold_background: int
    num_images: int

    @property
    def scored_names(self) -> tuple[str, ...]:
        """Names of the classes that are scored: background is one after folding."""
        names, fold = self.source.class_names, self.fold_background
        return (*names[:fold], "background") if fold else names


@dataclass(frozen=True)
class Settings:
    """Settings of an evaluation, the same for all sets.

    Attributes:
        seen: class names of the training. A class of a set is seen if CLIP reads the same words in it as in
            one of them.
        synonyms: how the model uses the synonyms of a class name, see `config.prompts.synonyms`.
        batch_size: images in a batch.
        num_workers: processes that read images; 0 = threads of this one.
        num_overlays: overlays to write, of the first images.
        reports: folder that receives NAME.{json,csv,md,npz}.
        overlays: folder that receives NAME/*.png.
    """

    seen: Collection[str]
    synonyms: str
    batch_size: int
    num_workers: int
    num_overlays: int
    reports: Path
    overlays: Path


def evaluate_set(
    labelled: LabelledSet,
    predictor: Predictor,
    settings: Settings,
    details: Mapping[str, object],
    progress: Progress,
    is_stopping: Callable[[], bool] = lambda: False,
) -> ConfusionMatrix:
    """Evaluates one set and writes its report and overlays; every process evaluates its own images.

    Args:
        labelled: the set.
        predictor: the model, with the class names of the set.
        settings: settings of the evaluation.
        details: conditions for the report, see `write_report`; the numbers of the set are added.
        progress: receives a progress bar.
        is_stopping: whether to leave; asked after every batch.

    Returns:
        The counts of the images of all processes.

    Raises:
        EvaluationStopped: a process left.
    """
    names = labelled.scored_names
    confusion = ConfusionMatrix(names, names_read_as(names, settings.seen, settings.synonyms))
    own_counts = _count_own_images(labelled, predictor, settings, confusion, progress, is_stopping)
    # With the request to stop of any process, so that all leave together.
    totals = processes.total(np.append(confusion.matrix, int(is_stopping())))
    if totals[-1]:
        raise EvaluationStopped
    confusion.matrix = totals[:-1].reshape(confusion.matrix.shape)
    counts = of_all_processes(own_counts)
    if processes.is_primary():
        same_names = same_readings(labelled.source.class_names, settings.synonyms)
        of_set = {"images": labelled.num_images, "fold_background": labelled.fold_background}
        write_report(settings.reports, labelled.name, confusion, counts, {**details, **of_set}, same_names)
    present = [row["name"] for row in confusion.per_class() if row["ground_truth"]]
    if len(present) < 2:
        shows = f"{present[0]!r} alone" if present else "no class"
        line = f"warning: the ground truth of {labelled.name} shows {shows}, so its metrics say nothing"
        progress.console.print(line, markup=False)
    return confusion


def _count_own_images(
    labelled: LabelledSet,
    predictor: Predictor,
    settings: Settings,
    confusion: ConfusionMatrix,
    progress: Progress,
    is_stopping: Callable[[], bool],
) -> ImageCounts:
    """Adds the predictions on the images of this process to a matrix, and writes the first overlays."""
    fold = labelled.fold_background
    image_names: list[str] = []
    rows: list[np.ndarray] = []
    remaining_overlays = len(_own_images(settings.num_overlays))

    def count(batch: Sequence[Example], predictions: Sequence[Prediction]) -> None:
        nonlocal remaining_overlays
        for example, (ids, _) in zip(batch, predictions, strict=True):
            prediction = fold_background(ids, fold) if fold else ids
            rows.append(confusion.update(prediction, example["label"]).astype(np.uint32))
            image_names.append(example["name"])
            if remaining_overlays > 0:
                remaining_overlays -= 1
                image = comparison(example["image"], example["label"], prediction, confusion.class_names)
                write_png(settings.overlays / labelled.name / f"{example['name']}.png", image, is_photo=True)

    # The devices work on one batch while threads prepare the next and count the last.
    largest = 0
    with Background(count) as background:
        for batch in _batches(labelled, predictor, settings, progress):
            examples, prepared = zip(*batch, strict=True)
            largest = max(largest, len(batch))
            # A smaller last batch is filled up, so that it uses the compiled program of the others.
            padding = [prepared[-1]] * (largest - len(batch))
            sizes = [example["label"].shape for example in examples]
            background.put(examples, predictor.segment_prepared([*prepared, *padding], sizes))
            processes.progress()
            if is_stopping():
                break
    return ImageCounts.from_rows(confusion.class_names, image_names, rows)


def _batches(
    labelled: LabelledSet, predictor: Predictor, settings: Settings, progress: Progress
) -> Iterator[list[tuple[Example, np.ndarray]]]:
    """Batches of the images of this process, each image also prepared for the predictor."""
    own = len(_own_images(labelled.num_images))
    task = progress.add_task(f"evaluating {labelled.name}", total=own)
    stream = evaluation_examples(
        labelled.source,
        num_workers=settings.num_workers,
        process_index=processes.index(),
        process_count=processes.count(),
    )
    examples = computed_ahead(
        lambda example: (example, predictor.prepare(example["image"])),
        itertools.islice(stream, own),
        settings.batch_size,
    )
    while batch := list(itertools.islice(examples, settings.batch_size)):
        yield batch
        progress.advance(task, len(batch))
    progress.remove_task(task)


def _own_images(count: int) -> range:
    """Which of the first `count` images this process evaluates."""
    return range(processes.index(), count, processes.count())


def metrics_text(summary: Mapping[str, float | None]) -> str:
    """The metrics in a line, in detectron2's order; mIoU_all is for reports."""
    return "  ".join(
        f"{metric} {'-' if value is None else f'{value:.2f}'}"
        for metric, value in summary.items()
        if metric != "mIoU_all"
    )
