"""Evaluates a model on data sets, each with its own words, with the text tower as it is now."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from jax.sharding import Mesh
from rich.progress import Progress

from hclip_jax.config.schema import Config
from hclip_jax.data.loader import evaluation_examples
from hclip_jax.data.sources import Example, Source, open_source
from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix, fold_background
from hclip_jax.evaluation.report import write_report
from hclip_jax.inference.overlay import comparison
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io.files import write_picture
from hclip_jax.models.hclip import Model, Params


def open_sets(config: Config) -> dict[str, Source]:
    """The data sets of `config.evaluation.sets`: what is wrong with them or their words shows at once.

    A set without a root is of the training's, and has its words too unless it names others.
    """
    sources = {}
    model, data = Model(config), config.data
    for name, own in config.evaluation.sets.items():
        if own.root or own.classes or own.vocabulary:
            root, classes, vocabulary = own.root or data.root, own.classes, own.vocabulary
        else:
            root, classes, vocabulary = data.root, data.classes, data.vocabulary
        sources[name] = open_source(root, own.split, classes, vocabulary)
        model.prompts(sources[name].classes)
    return sources


def evaluate(
    config: Config,
    params: Params,
    sources: Mapping[str, Source],
    seen: Collection[str],
    mesh: Mesh,
    workdir: Path,
    step: int,
    progress: Progress,
) -> dict[str, Mapping[str, float | None]]:
    """Evaluates on every set and writes reports and overlays.

    Nothing is kept between calls: words are encoded anew, by the text tower of `params` and for the
    classes of each set. (The published code keeps the first evaluation's text features for good, and
    takes the training classes for every set.)

    Args:
        config: what to evaluate, and how.
        params: its weights.
        sources: set name -> data, from `open_sets`.
        seen: the class names of the training.
        mesh: devices to run on.
        workdir: `evaluation/NAME.{json,csv,md}` and `overlays/NAME/*.png` are written below it.
        step: updates made, for the report.
        progress: where to show how far it is.

    Returns:
        For each set the figures of `ConfusionMatrix.summary`.
    """
    figures: dict[str, Mapping[str, float | None]] = {}
    for name, source in sources.items():
        predictor = Predictor(Model(config), params, source.classes, mesh, config.protocol)
        fold = config.evaluation.sets[name].fold_background
        names = (*source.classes[:fold], "background") if fold else source.classes
        confusion = ConfusionMatrix(names, seen)
        _count_pictures(confusion, name, source, predictor, config, workdir, progress)
        details: dict[str, object] = {
            "step": step,
            "protocol": config.evaluation.protocol,
            "pictures": _count(source, config),
            "fold_background": fold,
        }
        write_report(workdir / "evaluation", name, confusion, details)
        figures[name] = confusion.summary()
    return figures


def _count_pictures(
    confusion: ConfusionMatrix,
    name: str,
    source: Source,
    predictor: Predictor,
    config: Config,
    workdir: Path,
    progress: Progress,
) -> None:
    fold = config.evaluation.sets[name].fold_background
    overlays = config.evaluation.overlays
    for batch in _batches(name, source, config, progress):
        predictions = predictor.segment([e["image"] for e in batch], [e["label"].shape for e in batch])
        for example, (ids, _) in zip(batch, predictions, strict=True):
            prediction = fold_background(ids, fold) if fold else ids
            confusion.update(prediction, example["label"])
            if overlays > 0:
                overlays -= 1
                picture = comparison(example["image"], example["label"], prediction, confusion.class_names)
                write_picture(workdir / "overlays" / name / f"{example['name']}.png", picture)


def _batches(name: str, source: Source, config: Config, progress: Progress) -> Iterator[tuple[Example, ...]]:
    count, size = _count(source, config), config.evaluation.batch
    shown = progress.add_task(f"evaluating {name}", total=count)
    examples = itertools.islice(evaluation_examples(source, workers=config.data.workers), count)
    while batch := tuple(itertools.islice(examples, size)):
        yield batch
        progress.advance(shown, len(batch))
    progress.remove_task(shown)


def _count(source: Source, config: Config) -> int:
    return min(len(source), config.evaluation.pictures or len(source))
