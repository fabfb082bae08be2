"""The confusion matrix of a data set and its metrics, under detectron2's names.

Source: detectron2's SemSegEvaluator. Ignored pixels are not counted, and a class without ground truth is left
out of the means, as in detectron2 since 2022-07-06 (commit f3c1bc19). Before that, such a class entered mIoU
as 0 if it was predicted anywhere: mIoU_all.
"""

from collections.abc import Collection, Sequence
from typing import TypedDict

import numpy as np

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError

METRICS = ("mIoU", "fwIoU", "mACC", "pACC", "mIoU_all")
OPEN_METRICS = ("mIoU_seen", "mIoU_unseen", "hIoU")
"""mIoU over the classes with pixel labels in training, mIoU over the others, and their harmonic mean.

These are the metrics of generalised zero-shot segmentation (Xian et al., CVPR 2019): every pixel may be
assigned any class.
"""


class ClassMetrics(TypedDict):
    """Metrics of one class in percent, None where they are undefined.

    Attributes:
        name: class name.
        IoU: intersection of ground truth and prediction over their union; their mean is mIoU.
        IoU_all: the same, and 0 for a predicted class without ground truth; their mean is mIoU_all.
        ACC: correctly predicted share of the class's ground truth (recall).
        ground_truth: share of the labelled pixels that have this class.
        prediction: share of the labelled pixels that are predicted as this class.
        mistaken_for: class that most of the missed pixels are predicted as; None if no pixel is missed.
    """

    name: str
    IoU: float | None
    IoU_all: float | None
    ACC: float | None
    ground_truth: float | None
    prediction: float | None
    mistaken_for: str | None


class ConfusionMatrix:
    """Counts of labelled pixels of any number of images.

    Attributes:
        class_names: T names.
        seen: names with pixel labels in training; may hold names that are not in `class_names`.
        matrix: int64 [T, T]; rows are the ground truth, columns the prediction. It is all the state: the sum
            of the matrices of several processes is the matrix of all their images.
    """

    def __init__(self, class_names: Sequence[str], seen: Collection[str] = ()):
        self.class_names = tuple(class_names)
        self.seen = frozenset(seen)
        self.matrix = np.zeros((len(class_names),) * 2, np.int64)

    def update(self, prediction: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Counts the pixels of one image.

        Args:
            prediction: integers [H, W], class ids.
            label: integers [H, W], class ids; IGNORE pixels are not counted.

        Returns:
            int64 [3, T], the counts of this image: pixels of each class that are predicted as the class, its
            pixels, and those that are predicted as the class.

        Raises:
            UserError: the shapes differ, or a counted id is not one of the T classes.
        """
        if prediction.shape != label.shape:
            raise UserError(
                f"the prediction is {prediction.shape} but the label is {label.shape}; resize the prediction "
                f"to the size of the label"
            )
        labelled = label != IGNORE
        T = len(self.class_names)
        truth = self._check_ids("label", label[labelled])
        predicted = self._check_ids("prediction", prediction[labelled])
        matrix = np.bincount(truth * T + predicted, minlength=T * T).reshape(T, T)
        self.matrix += matrix
        return np.stack([np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)])

    def num_present(self) -> int:
        """The number of classes that occur in the ground truth."""
        return int((self.matrix.sum(axis=1) > 0).sum())

    def summary(self) -> dict[str, float | None]:
        """Metrics over all classes in percent.

        Returns:
            METRICS, each None before any pixel is counted; and OPEN_METRICS, if the ground truth has both
            seen and unseen classes.
        """
        truth = self.matrix.sum(axis=1)
        present = truth > 0
        if not present.any():
            return dict.fromkeys(METRICS)
        iou, accuracy = self._iou()[present], self._accuracy()[present]
        frequency = truth[present] / truth.sum()
        pixel_accuracy = np.trace(self.matrix) / self.matrix.sum()
        iou_all = iou.sum() / (present | (self.matrix.sum(axis=0) > 0)).sum()
        metrics = (iou.mean(), (iou * frequency).sum(), accuracy.mean(), pixel_accuracy, iou_all)
        summary = {name: 100 * float(value) for name, value in zip(METRICS, metrics, strict=True)}
        return {**summary, **self._open_metrics(present)}

    def per_class(self) -> list[ClassMetrics]:
        """Metrics of every class in class order, including classes without ground truth."""
        total = self.matrix.sum()
        truth, predicted = self.matrix.sum(axis=1), self.matrix.sum(axis=0)
        iou, accuracy = self._iou(), self._accuracy()
        missed = self.matrix - np.diag(np.diag(self.matrix))
        return [
            ClassMetrics(
                name=name,
                IoU=100 * float(iou[t]) if truth[t] else None,
                IoU_all=100 * float(iou[t]) if truth[t] or predicted[t] else None,
                ACC=100 * float(accuracy[t]) if truth[t] else None,
                ground_truth=100 * float(truth[t] / total) if total else None,
                prediction=100 * float(predicted[t] / total) if total else None,
                mistaken_for=self.class_names[missed[t].argmax()] if missed[t].any() else None,
            )
            for t, name in enumerate(self.class_names)
        ]

    def largest_confusions(self, count: int) -> list[tuple[str, str, float]]:
        """Up to `count` rows (ground truth, prediction, percent of all labelled pixels), largest first."""
        T, total = len(self.class_names), self.matrix.sum()
        missed = (self.matrix - np.diag(np.diag(self.matrix))).ravel()
        largest = [int(i) for i in np.argsort(-missed, kind="stable")[:count] if missed[i]]
        names = self.class_names
        return [(names[i // T], names[i % T], 100 * float(missed[i] / total)) for i in largest]

    def _open_metrics(self, present: np.ndarray) -> dict[str, float]:
        seen = np.array([name in self.seen for name in self.class_names])
        if not (seen & present).any() or not (~seen & present).any():
            return {}
        iou = 100 * self._iou()
        a, b = float(iou[seen & present].mean()), float(iou[~seen & present].mean())
        harmonic_mean = 2 * a * b / (a + b) if a + b else 0.0
        return dict(zip(OPEN_METRICS, (a, b, harmonic_mean), strict=True))

    def _iou(self) -> np.ndarray:
        """float64 [T]; 0 for classes without ground truth, which enter no metric."""
        union = self.matrix.sum(axis=0) + self.matrix.sum(axis=1) - np.diag(self.matrix)
        return np.diag(self.matrix) / np.maximum(union, 1)

    def _accuracy(self) -> np.ndarray:
        """float64 [T]; 0 for classes without ground truth, which enter no metric."""
        return np.diag(self.matrix) / np.maximum(self.matrix.sum(axis=1), 1)

    def _check_ids(self, name: str, ids: np.ndarray) -> np.ndarray:
        # Without this check an id out of range would be counted in the cell of another class.
        T = len(self.class_names)
        if ids.size and not 0 <= ids.min() <= ids.max() < T:
            invalid = np.unique(ids[(ids < 0) | (ids >= T)])
            raise UserError(
                f"the {name} holds class id {invalid[0]}, but the {T} classes have ids 0 to {T - 1}; use the "
                f"class list that the {name} belongs to"
            )
        return ids.astype(np.int64)


def fold_background(prediction: np.ndarray, first: int) -> np.ndarray:
    """Replaces every class id from `first` on by `first`; shape and dtype do not change.

    This is the rule of PAS-20b: 59 prompts, of which those from 20 on are background, 21 classes in all.
    """
    return np.minimum(prediction, np.asarray(first, prediction.dtype))
