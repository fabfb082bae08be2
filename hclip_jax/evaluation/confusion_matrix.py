"""The confusion matrix and the figures read off it, under detectron2's names.

Source: detectron2's SemSegEvaluator. Ignored pixels count nowhere, and a class that the ground
truth never shows is left out of the means.
"""

from collections.abc import Collection, Sequence
from typing import TypedDict

import numpy as np

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError

METRICS = ("mIoU", "fwIoU", "mACC", "pACC")
OPEN_METRICS = ("mIoU_seen", "mIoU_unseen", "hIoU")
"""mIoU of the classes that training had pixel labels of, of the others, and the two's harmonic mean.

The figures of generalised zero-shot segmentation (Xian et al., CVPR 2019): any pixel may get any class.
"""


class ClassMetrics(TypedDict):
    """The figures of one class, in percent; None where they are undefined.

    Attributes:
        name: the class.
        IoU: of the pixels that are or are called this class, how many are both.
        ACC: of the pixels of this class, how many are called so (recall).
        ground_truth: its share of the labelled pixels.
        prediction: the share of the labelled pixels that are called so.
        mistaken_for: the class that takes most of its missed pixels; None if none are missed.
    """

    name: str
    IoU: float | None
    ACC: float | None
    ground_truth: float | None
    prediction: float | None
    mistaken_for: str | None


class ConfusionMatrix:
    """Counts of labelled pixels, over as many pictures as wanted.

    Attributes:
        class_names: T names.
        seen: names that training had pixel labels of; may hold others.
        matrix: int64 [T, T]; rows are the ground truth, columns the prediction. It is all the
            state: the sum of several processes' matrices is the matrix of all their pictures.
    """

    def __init__(self, class_names: Sequence[str], seen: Collection[str] = ()):
        self.class_names = tuple(class_names)
        self.seen = frozenset(seen)
        self.matrix = np.zeros((len(class_names),) * 2, np.int64)

    def update(self, prediction: np.ndarray, label: np.ndarray) -> None:
        """Counts one picture.

        Args:
            prediction: integers [H, W], class ids.
            label: integers [H, W], class ids, or IGNORE where nothing is to be counted.

        Raises:
            UserError: the shapes differ, or an id that counts is none of the T classes.
        """
        if prediction.shape != label.shape:
            raise UserError(
                f"The prediction is {prediction.shape} but the label is {label.shape}; resize the "
                "prediction to the label."
            )
        counted = label != IGNORE
        T = len(self.class_names)
        truth = self._checked("label", label[counted])
        called = self._checked("prediction", prediction[counted])
        self.matrix += np.bincount(truth * T + called, minlength=T * T).reshape(T, T)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Adds the counts of other pictures of the same classes.

        Raises:
            UserError: the classes differ.
        """
        if self.class_names != other.class_names:
            raise UserError(
                f"Confusion matrices of different classes ({len(self.class_names)} and "
                f"{len(other.class_names)}) cannot be merged; use one class list in one order."
            )
        self.matrix += other.matrix

    def summary(self) -> dict[str, float | None]:
        """The figures in percent: METRICS, each None before any pixel is counted.

        With OPEN_METRICS, where the ground truth shows both seen and unseen classes.
        """
        truth = self.matrix.sum(axis=1)
        shown = truth > 0
        if not shown.any():
            return dict.fromkeys(METRICS)
        iou, accuracy = self._iou()[shown], self._accuracy()[shown]
        frequency = truth[shown] / truth.sum()
        figures = (iou.mean(), (iou * frequency).sum(), accuracy.mean(), _share_right(self.matrix))
        summary = {key: 100 * float(value) for key, value in zip(METRICS, figures, strict=True)}
        return {**summary, **self._open_figures(shown)}

    def per_class(self) -> list[ClassMetrics]:
        """Returns the figures of every class in class order, those without ground truth too."""
        total = self.matrix.sum()
        truth, called = self.matrix.sum(axis=1), self.matrix.sum(axis=0)
        iou, accuracy = self._iou(), self._accuracy()
        missed = self.matrix - np.diag(np.diag(self.matrix))
        return [
            ClassMetrics(
                name=name,
                IoU=100 * float(iou[t]) if truth[t] else None,
                ACC=100 * float(accuracy[t]) if truth[t] else None,
                ground_truth=100 * float(truth[t] / total) if total else None,
                prediction=100 * float(called[t] / total) if total else None,
                mistaken_for=self.class_names[missed[t].argmax()] if missed[t].any() else None,
            )
            for t, name in enumerate(self.class_names)
        ]

    def _open_figures(self, shown: np.ndarray) -> dict[str, float]:
        seen = np.array([name in self.seen for name in self.class_names])
        if not (seen & shown).any() or not (~seen & shown).any():
            return {}
        iou = 100 * self._iou()
        a, b = float(iou[seen & shown].mean()), float(iou[~seen & shown].mean())
        return dict(zip(OPEN_METRICS, (a, b, 2 * a * b / (a + b) if a + b else 0.0), strict=True))

    def _iou(self) -> np.ndarray:
        """float64 [T]; 0 for classes without ground truth, which no figure reads."""
        union = self.matrix.sum(axis=0) + self.matrix.sum(axis=1) - np.diag(self.matrix)
        return np.diag(self.matrix) / np.maximum(union, 1)

    def _accuracy(self) -> np.ndarray:
        """float64 [T]; 0 for classes without ground truth, which no figure reads."""
        return np.diag(self.matrix) / np.maximum(self.matrix.sum(axis=1), 1)

    def _checked(self, what: str, ids: np.ndarray) -> np.ndarray:
        # An id out of range would be counted silently in another class's cell.
        T = len(self.class_names)
        if ids.size and not 0 <= ids.min() <= ids.max() < T:
            wrong = np.unique(ids[(ids < 0) | (ids >= T)])
            raise UserError(
                f"The {what} holds class id {wrong[0]}, but the {T} classes have ids 0 to {T - 1}; "
                "use the class list it was made with."
            )
        return ids.astype(np.int64)


def fold_background(prediction: np.ndarray, first: int) -> np.ndarray:
    """Calls every class from `first` on by the one id `first`.

    This is the rule of PAS-20b: 59 prompts, of which those from 20 on are background, 21 classes in
    all. Shape and dtype stay.
    """
    return np.minimum(prediction, np.asarray(first, prediction.dtype))


def _share_right(matrix: np.ndarray) -> float:
    return np.trace(matrix) / matrix.sum()
