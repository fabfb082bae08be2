"""Confidence intervals of mIoU, and the paired test of two models, by the bootstrap over images.

The N images of a set are a sample of all images of its kind. A resample draws N of them with replacement;
the spread of mIoU over many resamples estimates how much mIoU would differ on another sample of N images
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). It does not estimate how much it
would differ after another training of the same model.
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from hclip_jax.errors import UserError, printable
from hclip_jax.evaluation.image_counts import ImageCounts

RESAMPLES = 1000
_RESAMPLES_PER_CHUNK, _IMAGES_PER_CHUNK = 100, 512  # 13 MB for 847 classes


class Difference(NamedTuple):
    """How two models differ on the same images; mIoU in percent.

    Attributes:
        difference: mIoU of the first model minus mIoU of the second.
        low: lower end of the 95 % interval of the difference.
        high: its upper end.
        p: two-sided p-value, see `paired_difference`.
    """

    difference: float
    low: float
    high: float
    p: float


def miou(counts: ImageCounts) -> float | None:
    """The mIoU in percent, as in `ConfusionMatrix.summary`; None if no pixel is labelled."""
    value = _value(counts)
    return None if np.isnan(value) else value


def miou_interval(
    counts: ImageCounts, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % interval of mIoU over images, in percent.

    Its ends are the percentiles 2.5 and 97.5 of the resamples, moved so that the mean of the resamples lies
    at mIoU: where many classes are rare, resamples are biased by more than their spread, and plain
    percentiles may leave out mIoU. What the move puts below 0 or above 100, where no mIoU is, is cut off. As
    in mIoU, a class without ground truth in a resample is left out of its mean.

    With few images or many rare classes the interval is too narrow. On made-up data it held the expected mIoU
    in 92 % of the cases for 20 classes in 100 to 500 images, in 88 % for 20 classes in 30 images, and in 88 %
    for 400 classes, most of them rare, in 1,000 images.

    1,000 resamples of 5,105 images and 847 classes take 3 s on two x86 cores, and 13 MB beside the counts.

    Args:
        counts: the evaluation.
        resamples: the number of resamples.
        seed: of their random draws.

    Returns:
        (low, high), or None if fewer than two images have labelled pixels.
    """
    if np.count_nonzero(counts.truth.any(1)) < 2:
        return None
    values = _resampled_miou(counts, resamples, seed)
    shift = _value(counts) - float(np.nanmean(values))
    low, high = _percentiles(values)
    return max(low + shift, 0.0), min(high + shift, 100.0)


def paired_difference(
    a: ImageCounts, b: ImageCounts, *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Compares two models on the same images, which are resampled together.

    Images that are hard or easy for both models cancel, so a difference may be beyond chance that is much
    smaller than the interval of either mIoU. The interval has the percentiles 2.5 and 97.5 of the resamples;
    it held the expected difference in 92 to 95 % of the cases on the data of `miou_interval`.

    p is the two-sided p-value of the percentile bootstrap: twice the smaller share of resamples whose
    difference is at most, or at least, zero, where the original counts as one more resample on either side.
    It is below 0.05 about where the 95 % interval leaves out zero, at least 2 / (resamples + 1), and 1 for
    equal predictions.

    Args:
        a: the evaluation of one model.
        b: the evaluation of the other.
        resamples: the number of resamples.
        seed: of their random draws.

    Raises:
        UserError: the class names, the images or their ground truth differ, or fewer than two images have
            labelled pixels.
    """
    _check_same("class", a.class_names, b.class_names)
    _check_same("image", a.image_names, b.image_names)
    if (differing := (a.truth != b.truth).any(1)).any():
        name = printable(a.image_names[differing.argmax()])
        raise UserError(
            f"the ground truth of {np.count_nonzero(differing):,} of {a.num_images:,} images differs, first "
            f"that of '{name}'; evaluate both models on the same labels"
        )
    if np.count_nonzero(a.truth.any(1)) < 2:
        raise UserError("fewer than two images have labelled pixels; a comparison needs more images")
    values = [_resampled_miou(counts, resamples, seed) for counts in (a, b)]
    differences = values[0] - values[1]
    differences = differences[~np.isnan(differences)]
    tail = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    p = min(1.0, 2 * (tail + 1) / (len(differences) + 1))
    return Difference(_value(a) - _value(b), *_percentiles(differences), p)


def _check_same(kind: str, a: tuple[str, ...], b: tuple[str, ...]) -> None:
    if a == b:
        return
    place, (one, other) = next(
        (place, pair) for place, pair in enumerate(zip_longest(a, b)) if pair[0] != pair[1]
    )
    one, other = (f"no {kind}" if name is None else f"'{printable(name)}'" for name in (one, other))
    raise UserError(
        f"the {'classes' if kind == 'class' else 'images'} differ ({len(a):,} and {len(b):,}), first number "
        f"{place}: {one} and {other}; evaluate both models on the same set"
    )


def _value(counts: ImageCounts) -> float:
    """The mIoU in percent; NaN if no pixel is labelled."""
    return float(_miou(_sums(counts, np.ones((1, counts.num_images))))[0])


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def _resampled_miou(counts: ImageCounts, resamples: int, seed: int) -> np.ndarray:
    """The mIoU of each resample in percent; NaN where no pixel is labelled. The seed fixes the draws."""
    chunks = _weights(counts.num_images, resamples, seed)
    return np.concatenate([_miou(_sums(counts, weights)) for weights in chunks])


def _weights(num_images: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each resample draws each image: float64 [chunk of resamples, N]."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _RESAMPLES_PER_CHUNK):
        rows = min(_RESAMPLES_PER_CHUNK, resamples - start)
        draws = generator.integers(num_images, size=(rows, num_images), dtype=np.uint32)
        yield np.array([np.bincount(draw, minlength=num_images) for draw in draws], np.float64)


def _sums(counts: ImageCounts, weights: np.ndarray) -> np.ndarray:
    """Weighted sums of the counts: [3, resamples, T] for weights [resamples, N]; float64 is exact here."""
    sums = np.zeros((3, len(weights), len(counts.class_names)))
    for start in range(0, counts.num_images, _IMAGES_PER_CHUNK):
        images = slice(start, start + _IMAGES_PER_CHUNK)
        for total, array in zip(sums, (counts.intersection, counts.truth, counts.prediction), strict=True):
            total += weights[:, images] @ array[images].astype(np.float64)
    return sums


def _miou(sums: np.ndarray) -> np.ndarray:
    """The mIoU in percent [R] of sums [3, R, T]; NaN where no class has ground truth."""
    intersection, truth, prediction = sums
    iou = intersection / np.maximum(truth + prediction - intersection, 1)
    present = truth > 0
    num_present = present.sum(1)
    return 100 * np.where(num_present, (iou * present).sum(1), np.nan) / np.maximum(num_present, 1)
