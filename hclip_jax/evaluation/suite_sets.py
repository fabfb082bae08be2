"""Opens the sets of a suite: prepared benchmarks, TFDS data sets and labelled folders."""

from typing import NamedTuple

from hclip_jax.config.schema import DataConfig, EvaluationSet
from hclip_jax.data.data_folder import SCHEME, VARIABLE, below, resolve_root
from hclip_jax.data.sources import SCENES, open_source
from hclip_jax.data.types import Example, Source
from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.package_files import class_names
from hclip_jax.datasets.prepared import PreparedState, read_state
from hclip_jax.errors import UserError, printable
from hclip_jax.evaluation.evaluate_set import LabelledSet
from hclip_jax.evaluation.suite import Suite, SuiteSet
from hclip_jax.io.paths import gcs_path, is_address


class OpenSet(NamedTuple):
    """A set of a suite that can be evaluated.

    Attributes:
        entry: its entry in the suite.
        root: the folder or address.
        labelled: the images and labels.
        benchmark: the data set of `hclip prepare` that it is; "" for others.
        images: the number of images for tables, such as "1,998 of 2,000 (partial)".
        is_official: whether these are all images of the official split, so that figures compare.
    """

    entry: SuiteSet
    root: str
    labelled: LabelledSet
    benchmark: str
    images: str
    is_official: bool


class MissingSet(NamedTuple):
    """A set of a suite that cannot be evaluated, and why."""

    entry: SuiteSet
    reason: str


class ContradictionError(UserError):
    """A suite that contradicts a set."""


class Stride:
    """Evenly spread images of a source."""

    def __init__(self, source: Source, num_images: int) -> None:
        """Selects `num_images` of the source, which has more."""
        self._source, self._num_images = source, num_images
        self.class_names = source.class_names

    def __len__(self) -> int:
        return self._num_images

    def __getitem__(self, index: int) -> Example:
        # Sets are sorted by year or scene: the first images would be a biased sample.
        return self._source[index * len(self._source) // self._num_images]

    def digest(self) -> str:
        """Digest of the source."""
        return self._source.digest()


def open_sets(suite: Suite, folder: str, num_images: int = 0) -> list[OpenSet | MissingSet]:
    """Opens the sets of a suite.

    Args:
        suite: the suite.
        folder: folder or address of the sets whose root is relative; "" if there is none.
        num_images: evaluates only so many images of a set, evenly spread over it; 0 = all.

    Raises:
        UserError: the suite contradicts a set that is there.
    """
    return [_open_or_miss(entry, folder, num_images) for entry in suite.sets]


def is_same_set(entry: EvaluationSet, data: DataConfig, opened: OpenSet) -> bool:
    """Whether a set of a configuration is that of a suite: the same root, split, class names and folding."""
    root, other = entry.root or data.root, opened.entry
    if entry.fold_background != opened.labelled.fold_background:
        return False
    if entry.labels or entry.colour_map or entry.ignore:
        return False
    if not entry.root and (data.labels or data.colour_map or data.ignore):
        return False
    if entry.classes_file or (not entry.root and data.classes_file) or root == SCENES:
        return False
    if other.classes_file or other.class_name_variant or entry.split != other.split:
        return False
    root = resolve_root(root)
    return root == opened.root or (
        not is_address(root) and gcs_path(root).resolve() == gcs_path(opened.root).resolve()
    )


def root_of(entry: SuiteSet, folder: str) -> str:
    """The path or address of a set; it need not exist.

    Raises:
        UserError: the root is relative and there is no folder.
    """
    root = entry.root or entry.name
    if is_address(root) or root.startswith(("/", SCHEME)):
        return resolve_root(root, folder)
    if not folder:
        raise UserError(f"no data folder is given: give --data=DIR or set {VARIABLE}")
    return below(folder, root)


def fold_of(entry: SuiteSet, state: PreparedState | None) -> int:
    """The first class id of background; 0 for none."""
    return entry.fold_background or (state.fold_background if state else 0)


def _open_or_miss(entry: SuiteSet, folder: str, num_images: int) -> OpenSet | MissingSet:
    try:
        return _open(entry, folder, num_images)
    except ContradictionError:
        raise
    except UserError as error:
        return MissingSet(entry, str(error))


def _open(entry: SuiteSet, folder: str, num_images: int) -> OpenSet:
    root = root_of(entry, folder)
    if not gcs_path(root).exists():
        prepare = f" (hclip prepare {entry.benchmark} --source=DIR --target={folder})" if folder else ""
        raise UserError(f"not prepared: {root} does not exist{prepare if entry.benchmark else ''}")
    state = read_state(root)
    source: Source = open_source(root, entry.split, entry.classes_file)
    if entry.class_name_variant:
        source = _rename(source, entry)
    num_all = len(source)
    if not num_all:
        raise UserError(f"{root} has no labelled image in the split {entry.split}")
    is_part = 0 < num_images < num_all
    images = _describe(state, entry.split, num_all)
    if is_part:
        source, images = Stride(source, num_images), f"{num_images:,} of {num_all:,} (evenly spread)"
    labelled = LabelledSet(entry.name, source, fold_of(entry, state), len(source))
    _check(entry, labelled)
    split = state.splits.get(entry.split) if state else None
    return OpenSet(
        entry=entry,
        root=root,
        labelled=labelled,
        benchmark=entry.benchmark or (state.key if state else ""),
        images=images,
        is_official=not is_part and (split is None or split.is_complete),
    )


def _describe(state: PreparedState | None, split: str, num_images: int) -> str:
    stored = state.splits.get(split) if state else None
    return stored.describe() if stored else f"{num_images:,}"


def _rename(source: Source, entry: SuiteSet) -> Source:
    names = class_names(entry.benchmark, entry.class_name_variant)
    if len(names) != len(source.class_names):
        raise ContradictionError(
            f"the set {entry.name} has {len(source.class_names)} classes, but the variant "
            f"{entry.class_name_variant} of {entry.benchmark} names {len(names)}: leave the variant out"
        )
    source.class_names = names
    return source


def _check(entry: SuiteSet, labelled: LabelledSet) -> None:
    fold, num_classes = labelled.fold_background, len(labelled.source.class_names)
    if fold >= num_classes:
        raise ContradictionError(
            f"the set {entry.name} has fold_background {fold}; it must be less than its {num_classes} classes"
        )
    for name in entry.classes_of_interest:
        if name not in labelled.scored_names:
            raise ContradictionError(
                f"the set {entry.name} has the class of interest '{printable(name)}', which is none of its "
                f"{len(labelled.scored_names)} classes; write it as in the class list"
            )
    if entry.benchmark and len(CATALOGUE[entry.benchmark].class_names) != num_classes:
        raise ContradictionError(
            f"the set {entry.name} has {num_classes} classes, but its benchmark {entry.benchmark} has "
            f"{len(CATALOGUE[entry.benchmark].class_names)}: leave the benchmark out, or correct the root"
        )
