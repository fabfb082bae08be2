"""Suites: files that name several evaluation sets, their class names and published figures.

A suite is a JSON file. `suites/paper.json` is the built-in one; docs/benchmarks.md describes the fields.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from hclip_jax.config.build import build, wrong
from hclip_jax.config.ranges import NonNegativeInt, Range
from hclip_jax.config.validate import check_set_names
from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.errors import UserError, printable
from hclip_jax.io.json_file import read_json
from hclip_jax.io.paths import is_address, to_path

Percent = Annotated[float, Range(zero=True, largest=100)]

_FOLDER = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class SuiteSet:
    """One set of a suite.

    Attributes:
        name: its name in the table and in file names.
        title: a short name for the table.
        root: the set: a path below the data folder, an absolute path, an address or `tfds:NAME`; by default
            `name`.
        split: the split to evaluate on.
        benchmark: data set of `hclip prepare` whose published figures are compared; by default that of the
            prepared set.
        classes_file: a class list in place of the set's own; in a file, relative to the folder of the file.
        class_name_variant: a variant of the benchmark's class names, see `hclip_jax.datasets`.
        fold_background: predicted class ids from this one on count as background; 0 = as `hclip prepare`
            says of the set, else no folding.
        classes_of_interest: names of classes whose mean is given too.
        domain: group of sets whose mean is given too.
        figures: published figures in percent by "METHOD BACKBONE" or "METHOD"; they replace those of the
            benchmark.
    """

    name: str
    title: str = ""
    root: str = ""
    split: str = "val"
    benchmark: str = ""
    classes_file: str = ""
    class_name_variant: str = ""
    fold_background: NonNegativeInt = 0
    classes_of_interest: tuple[str, ...] = ()
    domain: str = ""
    figures: Mapping[str, Percent] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """Several evaluation sets.

    Attributes:
        sets: the sets, in the order of the table.
        title: a description.
        metric: the formula of the published figures, see `ConfusionMatrix.summary`.
        compare: methods whose published figures the table shows.
        name: the name of the built-in suite, or of the file without its suffix.
    """

    sets: tuple[SuiteSet, ...]
    title: str = ""
    metric: Literal["mIoU", "mIoU_all"] = "mIoU"
    compare: tuple[str, ...] = ()
    name: str = ""

    def only(self, names: Sequence[str]) -> "Suite":
        """The suite with some of its sets.

        Raises:
            UserError: it has no set of a name.
        """
        known = [entry.name for entry in self.sets]
        for name in names:
            if name not in known:
                raise UserError(
                    f"the suite {self.name} has no set '{printable(name)}'; {_hint(name, known, 'sets')}"
                )
        return replace(self, sets=tuple(entry for entry in self.sets if entry.name in names))


def built_in_suites() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def read_suite(suite: str) -> Suite:
    """Reads a suite.

    Args:
        suite: the name of a built-in suite, or the path of a file.

    Raises:
        UserError: there is no such suite, it is no JSON, a field is unknown, missing or wrong, or two fields
            contradict each other.
    """
    path = _FOLDER / f"{suite}.json" if suite in built_in_suites() else to_path(suite)
    if suite not in built_in_suites() and not path.exists():
        hint = _hint(suite, built_in_suites(), "built-in suites")
        raise UserError(f"the suite {printable(suite)} does not exist; give a JSON file, or {hint}")
    where = f"{path}: suite"
    tree: Any = read_json(path, "give the file of a suite")
    found: Suite = build(Suite, tree, where)
    _check(found, where)
    sets = tuple(_with_path(entry, path.parent) for entry in found.sets)
    return replace(found, sets=sets, name=path.stem)


def _check(suite: Suite, where: str) -> None:
    if suite.name:
        raise wrong(f"{where}.name", suite.name, "left out: a suite has the name of its file")
    if not suite.sets:
        raise wrong(f"{where}.sets", [], "a list of at least one set")
    names = [entry.name for entry in suite.sets]
    check_set_names(f"{where}.sets", names)
    for number, entry in enumerate(suite.sets):
        here = f"{where}.sets[{number}]"
        if entry.name.lower() in [name.lower() for name in names[:number]]:
            raise wrong(f"{here}.name", entry.name, "another name than those of the other sets")
        if entry.name.lower() == "table":
            raise wrong(f"{here}.name", entry.name, "another name, because table.json is the table")
        _check_benchmark(entry, here)


def _check_benchmark(entry: SuiteSet, here: str) -> None:
    if entry.benchmark and entry.benchmark not in CATALOGUE:
        hint = _hint(entry.benchmark, list(CATALOGUE), "benchmarks")
        raise wrong(f"{here}.benchmark", entry.benchmark, f"a data set of hclip prepare --list; {hint}")
    if not entry.class_name_variant:
        return
    if entry.classes_file:
        raise wrong(f"{here}.class_name_variant", entry.class_name_variant, "left out with a classes_file")
    variants = CATALOGUE[entry.benchmark].class_name_variants if entry.benchmark else ()
    if entry.class_name_variant not in variants:
        allowed = f"one of {', '.join(variants)}" if variants else "left out"
        of = f"{entry.benchmark} has {'no other' if variants else 'no'} variants" if entry.benchmark else ""
        raise wrong(
            f"{here}.class_name_variant",
            entry.class_name_variant,
            f"{allowed} ({of or 'only a set with a benchmark has variants'})",
        )


def _with_path(entry: SuiteSet, folder: Path) -> SuiteSet:
    if not entry.classes_file or is_address(entry.classes_file):
        return entry
    return replace(entry, classes_file=str(folder / entry.classes_file))


def _hint(name: str, known: Sequence[str], kind: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"the {kind} are {', '.join(known)}"
