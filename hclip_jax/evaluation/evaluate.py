"""Evaluates a model on data sets, each with its own class names."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from jax.sharding import Mesh
from rich.progress import Progress

from hclip_jax.config.schema import DataConfig, EvaluationConfig, InferenceProtocol
from hclip_jax.data.loader import evaluation_examples
from hclip_jax.data.sources import open_source
from hclip_jax.data.types import Example, Source
from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix, fold_background
from hclip_jax.evaluation.report import write_report
from hclip_jax.inference.overlay import comparison
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io.files import write_png
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params

Summary = Mapping[str, float | None]


class Evaluator:
    """The evaluation sets of a training, opened and checked once.

    The class names of every set are encoded anew at each evaluation, by the text tower as it is then. (The
    published code keeps the text features of the first evaluation, and uses the training classes for every
    set.)
    """

    def __init__(
        self,
        model: Model,
        config: EvaluationConfig,
        protocol: InferenceProtocol,
        data: DataConfig,
        mesh: Mesh,
        workdir: Path,
    ):
        """Opens every set, so that a wrong path or class name shows before anything runs.

        A set without a root uses the training's root, and the training's class names unless it names
        others.

        Args:
            model: what is evaluated.
            config: the sets, and how many images and overlays.
            protocol: how images become inputs of the model.
            data: the training data, and how many workers read.
            mesh: devices to run on.
            workdir: `evaluation/NAME.{json,csv,md}` and `overlays/NAME/*.png` are written below it.

        Raises:
            UserError: a set cannot be opened, or the text tower cannot encode its class names.
        """
        self._model, self._config, self._protocol, self._mesh = model, config, protocol, mesh
        self._num_workers, self._workdir = data.num_workers, workdir
        self._sources: dict[str, Source] = {}
        for name, own in config.sets.items():
            names = own if own.root or own.classes_file or own.label_set else data
            source = open_source(own.root or data.root, own.split, names.classes_file, names.label_set)
            model.prompts(source.class_names)
            self._sources[name] = source

    def run(self, params: Params, seen: Collection[str], step: int, progress: Progress) -> dict[str, Summary]:
        """Evaluates on every set and writes reports and overlays.

        Args:
            params: weights of the model.
            seen: class names of the training.
            step: number of updates so far, for the report.
            progress: where to show the progress.

        Returns:
            For each set the metrics of `ConfusionMatrix.summary`.
        """
        summaries: dict[str, Summary] = {}
        for name, source in self._sources.items():
            fold = self._config.sets[name].fold_background
            names = (*source.class_names[:fold], "background") if fold else source.class_names
            confusion = ConfusionMatrix(names, seen)
            predictor = Predictor(self._model, params, source.class_names, self._mesh, self._protocol)
            self._count(confusion, name, predictor, fold, progress)
            details: dict[str, object] = {
                "step": step,
                "protocol": self._protocol.kind,
                "images": self._num_images(source),
                "fold_background": fold,
            }
            write_report(self._workdir / "evaluation", name, confusion, details)
            summaries[name] = confusion.summary()
        return summaries

    def _count(
        self, confusion: ConfusionMatrix, name: str, predictor: Predictor, fold: int, progress: Progress
    ) -> None:
        """Adds the predictions on a set to its confusion matrix and paints the first overlays."""
        overlays = self._config.num_overlays
        for batch in self._batches(name, progress):
            predictions = predictor.segment([e["image"] for e in batch], [e["label"].shape for e in batch])
            for example, (ids, _) in zip(batch, predictions, strict=True):
                prediction = fold_background(ids, fold) if fold else ids
                confusion.update(prediction, example["label"])
                if overlays > 0:
                    overlays -= 1
                    image = comparison(example["image"], example["label"], prediction, confusion.class_names)
                    write_png(self._workdir / "overlays" / name / f"{example['name']}.png", image)

    def _batches(self, name: str, progress: Progress) -> Iterator[tuple[Example, ...]]:
        source = self._sources[name]
        count = self._num_images(source)
        task = progress.add_task(f"evaluating {name}", total=count)
        examples = itertools.islice(evaluation_examples(source, num_workers=self._num_workers), count)
        while batch := tuple(itertools.islice(examples, self._config.batch_size)):
            yield batch
            progress.advance(task, len(batch))
        progress.remove_task(task)

    def _num_images(self, source: Source) -> int:
        return min(len(source), self._config.num_images or len(source))
