"""The rows of a suite's table: one set each, measured and published figures."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.evaluation.suite import Suite, SuiteSet
from hclip_jax.evaluation.suite_sets import OpenSet


@dataclass(frozen=True)
class Row:
    """One set of the table; figures in percent, None where there is none.

    Attributes:
        name: the set.
        title: its short name.
        domain: the group of sets that it belongs to.
        images: number of images, such as "1,998 of 2,000 (partial)".
        is_official: whether these are all images of the official split; else nothing is compared.
        num_classes: number of scored classes.
        num_present_classes: those that occur in the ground truth.
        mIoU: of `ConfusionMatrix.summary`.
        mIoU_interval: its 95 % interval over images.
        mIoU_all: of `ConfusionMatrix.summary`.
        of_interest: mean over the classes of interest, by the formula of the suite.
        published: published figure of each method for the backbone of the model.
        difference: measured minus published figure of each method.
        protocol: how images became inputs of the model.
        seconds: duration of the evaluation.
        reason: why there are no figures.
    """

    name: str
    title: str
    domain: str
    images: str = ""
    is_official: bool = False
    num_classes: int | None = None
    num_present_classes: int | None = None
    mIoU: float | None = None  # noqa: N815 - detectron2's name
    mIoU_interval: tuple[float, float] | None = None  # noqa: N815
    mIoU_all: float | None = None  # noqa: N815
    of_interest: float | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    difference: Mapping[str, float] = field(default_factory=dict)
    protocol: str = ""
    seconds: float | None = None
    reason: str = ""


def missing_row(entry: SuiteSet, suite: Suite, backbone: str, reason: str) -> Row:
    """The row of a set without figures, beside the published ones."""
    published = published_of(entry, entry.benchmark, suite, backbone)
    return Row(entry.name, _title(entry), entry.domain, published=published, reason=reason)


def measured_row(opened: OpenSet, suite: Suite, backbone: str, report: Mapping[str, Any]) -> Row:
    """The row of an evaluated set, from its report."""
    entry, summary = opened.entry, report["summary"]
    published = published_of(entry, opened.benchmark, suite, backbone)
    measured = summary[suite.metric]
    compares = opened.is_official and measured is not None
    interval = report["mIoU_interval"]
    return Row(
        entry.name,
        _title(entry),
        entry.domain,
        images=opened.images,
        is_official=opened.is_official,
        num_classes=report["num_classes"],
        num_present_classes=report["num_present_classes"],
        mIoU=summary["mIoU"],
        mIoU_interval=(interval[0], interval[1]) if interval else None,
        mIoU_all=summary["mIoU_all"],
        of_interest=_of_interest(entry, suite, report["per_class"]),
        published=published,
        difference={name: measured - value for name, value in published.items()} if compares else {},
        protocol=report["details"]["protocol"],
        seconds=report["cell"]["seconds"],
    )


def published_of(entry: SuiteSet, benchmark: str, suite: Suite, backbone: str) -> dict[str, float]:
    """Published figures of the suite's methods for a backbone, those of the suite file before others."""
    figures = dict(entry.figures) or (CATALOGUE[benchmark].figures if benchmark in CATALOGUE else {})
    found = {}
    for method in suite.compare:
        value = figures.get(f"{method} {backbone}", figures.get(method))
        if value is not None:
            found[method] = value
    return found


def _of_interest(entry: SuiteSet, suite: Suite, per_class: Iterable[Mapping[str, Any]]) -> float | None:
    key = {"mIoU": "IoU", "mIoU_all": "IoU_all"}[suite.metric]
    values = [row[key] for row in per_class if row["name"] in entry.classes_of_interest]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _title(entry: SuiteSet) -> str:
    variant = f" ({entry.class_name_variant})" if entry.class_name_variant else ""
    return f"{entry.title or entry.name}{variant}"
