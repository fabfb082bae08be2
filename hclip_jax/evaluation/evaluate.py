"""Evaluation of a model on the evaluation sets of a training, each with its own class names."""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from jax.sharding import Mesh
from rich.progress import Progress

from hclip_jax.config.schema import DataConfig, EvaluationConfig, EvaluationSet, InferenceProtocol
from hclip_jax.data.data_folder import VARIABLE, data_folder
from hclip_jax.data.layout import SPLIT, Layout
from hclip_jax.data.sources import open_source
from hclip_jax.errors import UserError
from hclip_jax.evaluation.advice import unlearnt
from hclip_jax.evaluation.confusion_matrix import ClassMetrics
from hclip_jax.evaluation.evaluate_set import LabelledSet, Settings, evaluate_set, metrics_text
from hclip_jax.evaluation.suite import read_suite
from hclip_jax.evaluation.suite_sets import MissingSet, OpenSet, is_same_set, open_sets
from hclip_jax.inference.predictor import Predictor, merge_adapters
from hclip_jax.io.progress import console
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import localize, own_mesh
from hclip_jax.text.prompts import Prompts

Summary = Mapping[str, float | None]


class Evaluator:
    """Evaluates a model on the evaluation sets of a training.

    The prompts of every list of class names are encoded at each evaluation with the current weights of the
    text tower. (The published code reuses the text features of its first evaluation, and the training classes
    for every set.)
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
        own. The sets of `config.suite` that are in the data folder are added; the others are named once.

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
        self._sets = {name: _open_set(name, entry, config, data) for name, entry in config.sets.items()}
        if config.suite:
            self._sets |= _sets_of_suite(config, data)
        self._prompts: dict[str, Prompts] = {
            name: _prompts(model, name, labelled.source.class_names) for name, labelled in self._sets.items()
        }

    @property
    def set_names(self) -> tuple[str, ...]:
        """The names of the sets."""
        return tuple(self._sets)

    def run(
        self,
        params: Params,
        seen: Collection[str],
        step: int,
        progress: Progress,
        is_stopping: Callable[[], bool] = lambda: False,
        is_last: bool = True,
    ) -> dict[str, Summary]:
        """Evaluates on every set; writes reports and overlays, and prints a line when a set is done.

        Every process evaluates its own images.

        Args:
            params: parameters of the model.
            seen: class names of the training. A class of a set is seen if CLIP reads the same words in it as
                in one of them.
            step: number of training steps so far, for the report.
            progress: receives one progress bar a set.
            is_stopping: whether to leave; asked after every batch.
            is_last: whether no step follows; then a line says what usually helps classes that are not learnt.

        Returns:
            The metrics of `ConfusionMatrix.summary` for each set.

        Raises:
            EvaluationStopped: a process left.
        """
        # Once for all sets.
        params = merge_adapters(self._model, localize(params, self._mesh))
        predictors: dict[Sequence[str], Predictor] = {}
        settings = Settings(
            seen=seen,
            synonyms=self._model.architecture.prompts.synonyms,
            batch_size=self._config.batch_size,
            num_workers=self._num_workers,
            num_overlays=self._config.num_overlays,
            reports=self._workdir / "evaluation",
            overlays=self._workdir / "overlays",
        )
        details = {"step": step, "protocol": self._protocol.kind}
        summaries: dict[str, Summary] = {}
        rows: dict[str, list[ClassMetrics]] = {}
        for name, labelled in self._sets.items():
            class_names = labelled.source.class_names
            if class_names not in predictors:  # sets with the same names share their text features
                prompts = self._prompts[name]
                predictors[class_names] = Predictor(self._model, params, prompts, self._mesh, self._protocol)
            predictor = predictors[class_names]
            confusion = evaluate_set(labelled, predictor, settings, details, progress, is_stopping)
            summaries[name], rows[name] = confusion.summary(), confusion.per_class()
            # At once: the other sets may take hours.
            progress.console.print(f"step {step}  {name}: {metrics_text(summaries[name])}", markup=False)
        if is_last and (line := unlearnt(rows)):
            progress.console.print(line, markup=False)
        return summaries


def _prompts(model: Model, name: str, class_names: Sequence[str]) -> Prompts:
    """The prompts of a set; warnings on its class names say which set it is."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        prompts = model.prompts(class_names)
    for warning in caught:
        warnings.warn(f"evaluation set {name}: {warning.message}", stacklevel=3)
    return prompts


def _open_set(name: str, entry: EvaluationSet, config: EvaluationConfig, data: DataConfig) -> LabelledSet:
    class_list = entry if entry.root or entry.classes_file or entry.label_set else data
    ignore, layout = _labels_of(name, entry, data)
    source = open_source(
        entry.root or data.root, entry.split, class_list.classes_file, class_list.label_set, ignore, layout
    )
    fold, num_classes = entry.fold_background, len(source.class_names)
    if fold >= num_classes:
        raise UserError(
            f"config.evaluation.sets.{name}.fold_background is {fold}; it must be less than the "
            f"{num_classes} classes of the set, or 0 to fold none"
        )
    return LabelledSet(name, source, fold, min(len(source), config.num_images or len(source)))


def _labels_of(name: str, entry: EvaluationSet, data: DataConfig) -> tuple[tuple[int, ...], Layout]:
    """The ids to ignore and the layout of a set: its own, and where it has none, those of data.root."""
    layout = Layout(entry.images, entry.labels, entry.colour_map)
    if entry.root:
        return entry.ignore, layout
    inherited = Layout(data.images, data.labels, data.colour_map)
    layout = Layout(*(own or other for own, other in zip(layout, inherited, strict=True)))
    same = layout.labels and layout.of_split(entry.split) == inherited.of_split(data.split)
    if same and entry.split != data.split:
        raise UserError(
            f"config.evaluation.sets.{name} has the split {entry.split!r}, but the same images and labels as "
            f"the training's {data.split!r}: write {SPLIT} in config.data.labels for the split, give the set "
            f"images and labels of its own, or leave it out (--config.evaluation.sets.{name}=None)"
        )
    return entry.ignore or data.ignore, layout


def _sets_of_suite(config: EvaluationConfig, data: DataConfig) -> dict[str, LabelledSet]:
    """The sets of a suite that are there and not in the configuration already; names the others in a line."""
    suite = read_suite(config.suite)
    sets = open_sets(suite, data_folder(), config.num_images)
    if missing := [one.entry.name for one in sets if isinstance(one, MissingSet)]:
        where = f"not found in {VARIABLE}={data_folder()}" if data_folder() else f"{VARIABLE} is not set"
        console.print(f"suite {suite.name} without {', '.join(missing)}: {where}", markup=False)
    return {
        one.entry.name: one.labelled
        for one in sets
        if isinstance(one, OpenSet)
        and one.entry.name not in config.sets
        and not any(is_same_set(entry, data, one) for entry in config.sets.values())
    }
