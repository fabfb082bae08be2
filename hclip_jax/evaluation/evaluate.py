"""Evaluation of a model on the evaluation sets of a training, each with its own class names."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from jax.sharding import Mesh
from rich.progress import Progress

from hclip_jax import processes
from hclip_jax.config.schema import DataConfig, EvaluationConfig, EvaluationSet, InferenceProtocol
from hclip_jax.data.loader import evaluation_examples
from hclip_jax.data.sources import open_source
from hclip_jax.data.types import Example, Source
from hclip_jax.errors import UserError
from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix, fold_background
from hclip_jax.evaluation.image_counts import ImageCounts, of_all_processes
from hclip_jax.evaluation.report import write_report
from hclip_jax.inference.comparison import comparison
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io.files import write_png
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import localize, own_mesh
from hclip_jax.text.prompts import Prompts
from hclip_jax.text.reading import names_read_as, same_readings

Summary = Mapping[str, float | None]


class EvaluationStopped(Exception):  # noqa: N818 - not an error
    """A process was asked to leave the evaluation."""


class Evaluator:
    """Evaluates a model on the evaluation sets of a training.

    The prompts of every set are encoded at each evaluation with the current weights of the text tower. (The
    published code reuses the text features of its first evaluation, and the training classes for every set.)
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
        """Opens and checks every set, so that a wrong path or class name is reported before training starts.

        A set without a root uses the root of the training data, and its class names unless the set names its
        own.

        Args:
            model: the model.
            config: the sets, and the numbers of images and overlays.
            protocol: how images become inputs of the model.
            data: the training data; also the number of loader workers.
            mesh: devices to run on; of several processes, each uses its own.
            workdir: receives `evaluation/NAME.{json,csv,md,npz}` and `overlays/NAME/*.png`.

        Raises:
            UserError: a set cannot be opened, its `fold_background` is no class of it, or the text tower
                cannot encode its class names.
        """
        self._model, self._config, self._protocol = model, config, protocol
        self._mesh = own_mesh(mesh, config.batch_size)
        self._num_workers, self._workdir = data.num_workers, workdir
        self._synonyms = model.architecture.prompts.synonyms
        self._sources = {name: _open_set(entry, data) for name, entry in config.sets.items()}
        for name, source in self._sources.items():
            fold, num_classes = config.sets[name].fold_background, len(source.class_names)
            if fold >= num_classes:
                raise UserError(
                    f"config.evaluation.sets.{name}.fold_background is {fold}; it must be less than the "
                    f"{num_classes} classes of the set, or 0 to fold none"
                )
        self._prompts: dict[str, Prompts] = {
            name: model.prompts(source.class_names) for name, source in self._sources.items()
        }

    def run(
        self,
        params: Params,
        seen: Collection[str],
        step: int,
        progress: Progress,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> dict[str, Summary]:
        """Evaluates on every set and writes reports and overlays; every process evaluates its own images.

        Args:
            params: parameters of the model.
            seen: class names of the training. A class of a set is seen if CLIP reads the same words in it as
                in one of them.
            step: number of training steps so far, for the report.
            progress: receives one progress bar a set.
            is_stopping: whether to leave; asked after every batch.

        Returns:
            The metrics of `ConfusionMatrix.summary` for each set.

        Raises:
            EvaluationStopped: a process left.
        """
        params = localize(params, self._mesh)
        summaries: dict[str, Summary] = {}
        for name, source in self._sources.items():
            fold = self._config.sets[name].fold_background
            class_names = (*source.class_names[:fold], "background") if fold else source.class_names
            confusion = ConfusionMatrix(class_names, names_read_as(class_names, seen, self._synonyms))
            predictor = Predictor(self._model, params, self._prompts[name], self._mesh, self._protocol)
            own_counts = self._evaluate_set(name, predictor, confusion, progress, is_stopping)
            # With the request to stop of any process, so that all leave together.
            totals = processes.total(np.append(confusion.matrix, int(is_stopping())))
            if totals[-1]:
                raise EvaluationStopped
            confusion.matrix = totals[:-1].reshape(confusion.matrix.shape)
            counts = of_all_processes(own_counts)
            details = {
                "step": step,
                "protocol": self._protocol.kind,
                "images": self._num_images(source),
                "fold_background": fold,
            }
            if processes.is_primary():
                same_names = same_readings(source.class_names, self._synonyms)
                write_report(self._workdir / "evaluation", name, confusion, counts, details, same_names)
            summaries[name] = confusion.summary()
            present = [row["name"] for row in confusion.per_class() if row["ground_truth"]]
            if len(present) < 2:
                shows = (
                    f"the ground truth of {name} shows {f'{present[0]!r} alone' if present else 'no class'}"
                )
                progress.console.print(f"warning: {shows}, so its metrics say nothing", markup=False)
        return summaries

    def _evaluate_set(
        self,
        name: str,
        predictor: Predictor,
        confusion: ConfusionMatrix,
        progress: Progress,
        is_stopping: Callable[[], bool],
    ) -> ImageCounts:
        """Adds the predictions on the images of this process to a matrix, and writes the first overlays."""
        fold = self._config.sets[name].fold_background
        image_names: list[str] = []
        rows: list[np.ndarray] = []
        remaining_overlays = len(_own_images(self._config.num_overlays))
        for batch in self._batches(name, progress):
            predictions = predictor.segment([e["image"] for e in batch], [e["label"].shape for e in batch])
            for example, (ids, _) in zip(batch, predictions, strict=True):
                prediction = fold_background(ids, fold) if fold else ids
                rows.append(confusion.update(prediction, example["label"]).astype(np.uint32))
                image_names.append(example["name"])
                if remaining_overlays > 0:
                    remaining_overlays -= 1
                    image = comparison(example["image"], example["label"], prediction, confusion.class_names)
                    write_png(self._workdir / "overlays" / name / f"{example['name']}.png", image)
            processes.progress()
            if is_stopping():
                break
        return ImageCounts.from_rows(confusion.class_names, image_names, rows)

    def _batches(self, name: str, progress: Progress) -> Iterator[tuple[Example, ...]]:
        source = self._sources[name]
        own = len(_own_images(self._num_images(source)))
        task = progress.add_task(f"evaluating {name}", total=own)
        stream = evaluation_examples(
            source,
            num_workers=self._num_workers,
            process_index=processes.index(),
            process_count=processes.count(),
        )
        examples = itertools.islice(stream, own)
        while batch := tuple(itertools.islice(examples, self._config.batch_size)):
            yield batch
            progress.advance(task, len(batch))
        progress.remove_task(task)

    def _num_images(self, source: Source) -> int:
        return min(len(source), self._config.num_images or len(source))


def _own_images(count: int) -> range:
    """Which of the first `count` images this process evaluates."""
    return range(processes.index(), count, processes.count())


def _open_set(entry: EvaluationSet, data: DataConfig) -> Source:
    class_list = entry if entry.root or entry.classes_file or entry.label_set else data
    return open_source(entry.root or data.root, entry.split, class_list.classes_file, class_list.label_set)
