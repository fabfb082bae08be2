import dataclasses

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.evaluation import bootstrap
from hclip_jax.evaluation.bootstrap import miou, miou_interval, paired_difference
from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix
from hclip_jax.evaluation.image_counts import ImageCounts
from tests.evaluation.counts import make_counts, take


def value(counts: ImageCounts) -> float:
    result = miou(counts)
    assert result is not None
    return result


def interval(counts: ImageCounts, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    result = miou_interval(counts, resamples=resamples, seed=seed)
    assert result is not None
    return result


def direct_resamples(counts: ImageCounts, resamples: int, seed: int) -> list[float]:
    """The mIoU of each resample, one image after the other."""
    weights = np.concatenate(list(bootstrap._weights(counts.num_images, resamples, seed)))
    values = []
    for row in weights.astype(int):
        images = np.repeat(np.arange(counts.num_images), row)
        value = miou(take(counts, images))
        values.append(np.nan if value is None else value)
    return values


def test_counts_have_the_miou_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(0)
    confusion = ConfusionMatrix([f"class {t}" for t in range(6)])
    rows = []
    for _ in range(5):
        label = rng.integers(-1, 5, (9, 7))
        rows.append(confusion.update(rng.integers(0, 6, label.shape), label))
    counts = ImageCounts.from_rows(confusion.class_names, ["a", "b", "c", "d", "e"], rows)
    assert miou(counts) == pytest.approx(confusion.summary()["mIoU"], abs=1e-12)


def test_resamples_are_those_of_a_direct_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_RESAMPLES_PER_CHUNK", 7)
    monkeypatch.setattr(bootstrap, "_IMAGES_PER_CHUNK", 5)
    counts = make_counts(np.random.default_rng(0), 12, 8)  # some classes are in few resamples
    expected = direct_resamples(counts, 40, seed=3)
    np.testing.assert_allclose(bootstrap._resampled_miou(counts, 40, 3), expected, rtol=1e-12)
    low, high = np.percentile(expected, (2.5, 97.5)) + value(counts) - np.mean(expected)
    assert interval(counts, 40, 3) == pytest.approx((low, high))

    other = make_counts(np.random.default_rng(1), 12, 8, skill=0.45)
    differences = np.subtract(expected, direct_resamples(other, 40, seed=3))
    result = paired_difference(counts, other, resamples=40, seed=3)
    assert result.difference == pytest.approx(value(counts) - value(other))
    assert (result.low, result.high) == pytest.approx(tuple(np.percentile(differences, (2.5, 97.5))))
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    assert 0 < tail < 20
    assert result.p == pytest.approx(2 * (tail + 1) / 41)


def test_every_resample_draws_as_many_images_as_there_are() -> None:
    weights = np.concatenate(list(bootstrap._weights(50, 230, seed=0)))
    assert weights.shape == (230, 50)
    assert (weights.sum(1) == 50).all()
    assert abs(weights.var() - 49 / 50) < 0.05  # of the binomial distribution (50, 1/50)


def test_the_interval_is_as_wide_as_miou_varies_and_holds_its_expectation() -> None:
    values, intervals = [], []
    for seed in range(200):
        counts = make_counts(np.random.default_rng(seed), 60, 5, truth_seed=seed)
        values.append(value(counts))
        intervals.append(interval(counts, 200, seed))
    low, high = np.transpose(intervals)
    assert ((low < values) & (values < high)).all()
    covered = ((low < np.mean(values)) & (np.mean(values) < high)).mean()
    assert 0.89 <= covered <= 0.98
    assert np.mean(high - low) / (2 * 1.96 * np.std(values)) == pytest.approx(1, abs=0.15)


def test_p_is_rarely_small_by_chance_and_small_for_a_gain() -> None:
    by_chance, gain = [], []
    for seed in range(150):
        a, b, better = (
            make_counts(np.random.default_rng((seed, model)), 60, 5, truth_seed=seed, skill=skill)
            for model, skill in enumerate((0.5, 0.5, 0.65))
        )
        by_chance.append(paired_difference(a, b, resamples=200).p)
        gain.append(paired_difference(better, b, resamples=200).p)
    assert 0.01 <= np.mean(np.array(by_chance) < 0.05) <= 0.1
    assert np.mean(np.array(gain) < 0.05) > 0.9


def test_pairing_finds_what_the_intervals_do_not() -> None:
    a = make_counts(np.random.default_rng(0), 100, 5)
    # The same predictions, but for 2 of 100 pixels of each class that are right.
    lost = a.intersection // 50
    b = dataclasses.replace(a, intersection=a.intersection - lost)
    result = paired_difference(a, b)
    low, high = interval(a)
    assert low < value(b) < high
    assert 0 < result.low < result.difference < result.high < 2
    assert result.p == pytest.approx(2 / 1001)
    swapped = paired_difference(b, a)
    assert swapped.difference == -result.difference
    assert (swapped.low, swapped.high, swapped.p) == pytest.approx((-result.high, -result.low, result.p))


def test_equal_predictions_differ_by_nothing() -> None:
    counts = make_counts(np.random.default_rng(0), 20, 5)
    assert paired_difference(counts, counts) == (0, 0, 0, 1)


def test_the_interval_of_few_images_and_many_classes_stays_within_0_and_100() -> None:
    ends = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        label = rng.integers(0, 18, (3, 64))
        prediction = np.where(rng.random(label.shape) < rng.choice([0.02, 0.5, 0.99], (3, 1)), label, 0)
        confusion = ConfusionMatrix([f"class {t}" for t in range(18)])
        rows = [confusion.update(*pair) for pair in zip(prediction, label, strict=True)]
        ends += interval(ImageCounts.from_rows(confusion.class_names, ["a", "b", "c"], rows), 200)
    assert (min(ends), max(ends) <= 100) == (0, True)  # plainly moved percentiles go to -11


def test_too_few_images_have_no_interval() -> None:
    counts = make_counts(np.random.default_rng(0), 3, 2)
    nothing = np.zeros_like(counts.truth)
    unlabelled = dataclasses.replace(counts, intersection=nothing, truth=nothing, prediction=nothing)
    assert miou(unlabelled) is None
    one = take(counts, np.arange(1))
    for few in (unlabelled, one, take(counts, np.arange(0))):
        assert miou_interval(few) is None
        with pytest.raises(UserError, match="fewer than two images have labelled pixels"):
            paired_difference(few, few)


def test_the_interval_holds_no_impossible_miou() -> None:
    # One image shows the background alone, and a model finds it: a resample of that image has mIoU 100.
    truth = np.array([[10] * 20 + [50], [10] * 20 + [50], [0] * 20 + [500]], np.uint32)
    prediction = np.zeros_like(truth)
    prediction[:, -1] = truth.sum(1)
    intersection = np.minimum(truth, prediction)
    names = tuple(f"class {t}" for t in range(21))
    counts = ImageCounts(names, ("a", "b", "c"), intersection, truth, prediction)
    low, high = interval(counts)
    assert low == 0
    assert value(counts) < high <= 100


def test_resamples_without_labelled_pixels_are_left_out() -> None:
    counts = make_counts(np.random.default_rng(0), 6, 2)
    for array in (counts.intersection, counts.truth, counts.prediction):
        array[:4] = 0
    values = bootstrap._resampled_miou(counts, 200, 0)
    assert 0 < np.isnan(values).sum() < 50
    assert np.isfinite(interval(counts, 200)).all()
    assert np.isfinite(paired_difference(counts, counts, resamples=200)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"class_names": ("class 0", "lawn", "class 2")},
            r"the classes differ \(3 and 3\), first number 1: 'class 1' and 'lawn'",
        ),
        (
            {"image_names": ("image 0", "image 1", "image 2", "image 4")},
            r"the images differ \(4 and 4\), first number 3: 'image 3' and 'image 4'",
        ),
        ({"truth": 1}, "the ground truth of 4 of 4 images differs, first that of 'image 0'"),
    ],
)
def test_evaluations_of_other_sets_are_refused(changes: dict, message: str) -> None:
    a = make_counts(np.random.default_rng(0), 4, 3)
    if "truth" in changes:
        changes = {"truth": a.truth + np.uint32(1)}
    with pytest.raises(UserError, match=message):
        paired_difference(a, dataclasses.replace(a, **changes))


def test_fewer_images_are_refused() -> None:
    a = make_counts(np.random.default_rng(0), 4, 3)
    with pytest.raises(UserError, match=r"the images differ \(4 and 2\), first number 2: 'image 2' and no i"):
        paired_difference(a, take(a, np.arange(2)))
