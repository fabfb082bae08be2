from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.evaluation.confusion_matrix import METRICS, ConfusionMatrix, fold_background

Pair = tuple[np.ndarray, np.ndarray]  # prediction and label


def names(T: int) -> list[str]:
    return [f"class {t}" for t in range(T)]


def count(prediction: Sequence[int], label: Sequence[int] | np.ndarray, T: int) -> ConfusionMatrix:
    confusion = ConfusionMatrix(names(T))
    confusion.update(np.array([prediction]), np.array([label]))
    return confusion


def random_pairs(seed: int, T: int) -> Iterator[Pair]:
    """Three noisy predictions; the last class has no ground truth and the one before never occurs."""
    rng = np.random.default_rng(seed)
    for _ in range(3):
        label = rng.integers(-1, T - 2, rng.integers(1, 30, 2))
        noise = rng.choice([*range(T - 2), T - 1], label.shape)
        yield np.where((rng.random(label.shape) < 0.5) & (label >= 0), label, noise), label


def brute_force(pairs: Iterable[Pair], T: int) -> tuple[dict, dict, dict]:
    """Summary, IoU and accuracy by their definitions, with sets of pixels."""
    truth = [set() for _ in range(T)]
    predicted = [set() for _ in range(T)]
    for number, (prediction, label) in enumerate(pairs):
        for pixel in np.ndindex(label.shape):
            if label[pixel] != IGNORE:
                truth[label[pixel]].add((number, pixel))
                predicted[prediction[pixel]].add((number, pixel))
    present = [t for t in range(T) if truth[t]]
    pixels = sum(map(len, truth))
    iou = {t: len(truth[t] & predicted[t]) / len(truth[t] | predicted[t]) for t in present}
    accuracy = {t: len(truth[t] & predicted[t]) / len(truth[t]) for t in present}
    summary = {
        "mIoU": sum(iou.values()) / len(present),
        "fwIoU": sum(iou[t] * len(truth[t]) for t in present) / pixels,
        "mACC": sum(accuracy.values()) / len(present),
        "pACC": sum(len(truth[t] & predicted[t]) for t in present) / pixels,
        "mIoU_all": sum(iou.values()) / sum(bool(truth[t] or predicted[t]) for t in range(T)),
    }
    return summary, iou, accuracy


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_a_pixel_by_pixel_count(seed: int) -> None:
    T = 7
    pairs = list(random_pairs(seed, T))
    confusion = ConfusionMatrix(names(T))
    for prediction, label in pairs:
        confusion.update(prediction, label)
    expected, iou, accuracy = brute_force(pairs, T)

    summary = confusion.summary()
    assert tuple(summary) == METRICS == ("mIoU", "fwIoU", "mACC", "pACC", "mIoU_all")
    assert summary == pytest.approx({name: 100 * value for name, value in expected.items()})
    for t, row in enumerate(confusion.per_class()):
        assert row["IoU"] == (pytest.approx(100 * iou[t]) if t in iou else None)
        assert row["ACC"] == (pytest.approx(100 * accuracy[t]) if t in accuracy else None)


def test_three_classes_by_hand() -> None:
    # Class 2 has no ground truth: its false positive lowers class 0, but it does not enter the means.
    confusion = count([0, 0, 0, 2, 1, 0, 2, 1], [0, 0, 0, 0, 1, 1, IGNORE, IGNORE], T=3)
    assert confusion.matrix.tolist() == [[3, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert confusion.matrix.dtype == np.int64
    assert confusion.summary() == pytest.approx(
        {
            "mIoU": 100 * (3 / 5 + 1 / 2) / 2,
            "fwIoU": 100 * (3 / 5 * 4 / 6 + 1 / 2 * 2 / 6),
            "mACC": 100 * (3 / 4 + 1 / 2) / 2,
            "pACC": 100 * 4 / 6,
            "mIoU_all": 100 * (3 / 5 + 1 / 2) / 3,
        }
    )
    assert confusion.num_present() == 2
    first, second, third = confusion.per_class()
    assert first == {
        "name": "class 0",
        "IoU": pytest.approx(60),
        "IoU_all": pytest.approx(60),
        "ACC": pytest.approx(75),
        "ground_truth": pytest.approx(100 * 4 / 6),
        "prediction": pytest.approx(100 * 4 / 6),
        "mistaken_for": "class 2",
    }
    assert second["mistaken_for"] == "class 0"
    assert third == {
        "name": "class 2",
        "IoU": None,
        "IoU_all": 0,
        "ACC": None,
        "ground_truth": 0,
        "prediction": pytest.approx(100 / 6),
        "mistaken_for": None,
    }


def detectron2_before_july_2022(conf_matrix: np.ndarray) -> float:
    """The lines of SemSegEvaluator.evaluate in detectron2 v0.6; rows are predictions, the last is ignored."""
    num_classes = len(conf_matrix) - 1
    iou = np.full(num_classes, np.nan, dtype=float)
    tp = conf_matrix.diagonal()[:-1].astype(float)
    pos_gt = np.sum(conf_matrix[:-1, :-1], axis=0).astype(float)
    pos_pred = np.sum(conf_matrix[:-1, :-1], axis=1).astype(float)
    acc_valid = pos_gt > 0
    iou_valid = (pos_gt + pos_pred) > 0
    union = pos_gt + pos_pred - tp
    iou[acc_valid] = tp[acc_valid] / union[acc_valid]
    return 100 * np.sum(iou[acc_valid]) / np.sum(iou_valid)


@pytest.mark.parametrize("seed", range(5))
def test_miou_all_is_the_formula_of_detectron2_before_july_2022(seed: int) -> None:
    T, rng = 12, np.random.default_rng(seed)
    label = rng.choice([*range(7), T], 300)  # 7 to 11 are in no label; T is ignored
    prediction = rng.choice([*range(6), *range(8, 10)], 300)  # 6 is not predicted, and 8 and 9 only here
    conf_matrix = np.bincount((T + 1) * prediction + label, minlength=(T + 1) ** 2).reshape(T + 1, T + 1)
    confusion = ConfusionMatrix(names(T))
    confusion.update(prediction[None], np.where(label == T, IGNORE, label)[None])
    summary = confusion.summary()
    assert summary["mIoU_all"] == pytest.approx(detectron2_before_july_2022(conf_matrix), abs=1e-12)
    assert summary["mIoU"] is not None
    assert summary["mIoU_all"] == pytest.approx(summary["mIoU"] * 7 / 9)
    iou_all = [row["IoU_all"] for row in confusion.per_class() if row["IoU_all"] is not None]
    assert (len(iou_all), np.mean(iou_all)) == (9, pytest.approx(summary["mIoU_all"]))


def test_the_counts_of_an_image_are_returned() -> None:
    confusion = ConfusionMatrix(names(3))
    for _ in range(2):
        counts = confusion.update(np.array([[0, 0, 2, 1]]), np.array([[0, 1, 1, IGNORE]]))
        assert counts.tolist() == [[1, 0, 0], [1, 2, 0], [2, 0, 1]]


def test_ignored_pixels_count_on_neither_axis() -> None:
    label = np.array([[0, 1, IGNORE, IGNORE]])
    matrices = []
    for ignored_predictions in ([0, 0], [2, 1], [IGNORE, 99]):
        confusion = ConfusionMatrix(names(3))
        confusion.update(np.array([[0, 1, *ignored_predictions]]), label)
        matrices.append(confusion.matrix.tolist())
    assert matrices == [[[1, 0, 0], [0, 1, 0], [0, 0, 0]]] * 3


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64])
def test_narrow_integers_do_not_overflow(dtype: type) -> None:
    T = 200
    confusion = ConfusionMatrix(names(T))
    confusion.update(np.full((2, 2), T - 1, dtype), np.full((2, 2), T - 2, dtype))
    assert confusion.matrix[T - 2, T - 1] == 4 == confusion.matrix.sum()


def test_a_perfect_prediction_scores_100_if_classes_are_absent() -> None:
    confusion = count([0, 0, 2], [0, 0, 2], T=4)
    assert confusion.summary() == dict.fromkeys(METRICS, 100.0)


@pytest.mark.parametrize("label", [[IGNORE, IGNORE], []])
def test_without_counted_pixels_all_metrics_are_none(label: list[int]) -> None:
    confusion = count([0] * len(label), np.array(label, int), T=2)
    assert confusion.summary() == dict.fromkeys(METRICS)
    for row in confusion.per_class():
        assert set(row.values()) - {row["name"]} == {None}


def test_pas_20b_folds_all_classes_from_20_on_into_background() -> None:
    prediction = np.arange(59, dtype=np.uint8).reshape(1, -1)
    folded = fold_background(prediction, 20)
    assert folded.tolist() == [[*range(20), *[20] * 39]]
    assert folded.dtype == np.uint8
    ConfusionMatrix(names(21)).update(folded, folded)


@pytest.mark.parametrize(
    ("prediction", "label", "message"),
    [
        ([[0, 3]], [[0, 1]], "prediction holds class id 3, but the 3 classes"),
        ([[0, -1]], [[0, 1]], "prediction holds class id -1"),
        ([[0, 1]], [[0, 255]], "label holds class id 255"),
        ([[0, 1]], [[0, -2]], "label holds class id -2"),
        ([[0, 1]], [[0], [1]], r"prediction is \(1, 2\) but the label is \(2, 1\)"),
    ],
)
def test_wrong_input_is_refused_and_not_counted(prediction: list, label: list, message: str) -> None:
    confusion = ConfusionMatrix(names(3))
    with pytest.raises(UserError, match=message):
        confusion.update(np.array(prediction), np.array(label))
    assert not confusion.matrix.any()


def test_open_metrics_are_the_means_over_seen_and_unseen_classes_and_their_harmonic_mean() -> None:
    label = np.array([[0, 0, 1, 1], [2, 2, 2, 3]])
    prediction = np.array([[0, 1, 1, 1], [2, 2, 0, 0]])
    confusion = ConfusionMatrix(["a", "b", "c", "d", "absent"], seen=["a", "b", "other", "absent"])
    confusion.update(prediction, label)
    seen, unseen = 100 * (1 / 4 + 2 / 3) / 2, 100 * (2 / 3 + 0) / 2
    summary = confusion.summary()
    assert summary["mIoU_seen"] == pytest.approx(seen)
    assert summary["mIoU_unseen"] == pytest.approx(unseen)
    assert summary["hIoU"] == pytest.approx(2 / (1 / seen + 1 / unseen))
    assert summary["mIoU"] == pytest.approx((seen + unseen) / 2)


@pytest.mark.parametrize("seen", [(), ("a", "b"), ("x",)])
def test_there_are_no_open_metrics_if_all_classes_are_seen_or_none(seen: tuple[str, ...]) -> None:
    confusion = ConfusionMatrix(["a", "b"], seen)
    confusion.update(np.array([[0, 1]]), np.array([[0, 1]]))
    assert tuple(confusion.summary()) == METRICS


def test_the_harmonic_mean_of_zeros_is_zero() -> None:
    confusion = ConfusionMatrix(["a", "b"], ("a",))
    confusion.update(np.array([[1, 0]]), np.array([[0, 1]]))
    assert confusion.summary()["hIoU"] == 0


def test_the_largest_confusions() -> None:
    confusion = ConfusionMatrix(("a", "b", "c"))
    confusion.matrix = np.array([[5, 1, 0], [3, 7, 0], [0, 4, 0]])
    rows = confusion.largest_confusions(10)
    assert rows == [("c", "b", 20.0), ("b", "a", 15.0), ("a", "b", 5.0)]
    assert confusion.largest_confusions(1) == rows[:1]
    assert ConfusionMatrix(("a", "b")).largest_confusions(3) == []
