"""The line on classes that a training has not learnt."""

import pytest

from hclip_jax.evaluation.advice import unlearnt
from hclip_jax.evaluation.confusion_matrix import ClassMetrics


def rows(*ious: float | None) -> list[ClassMetrics]:
    return [
        ClassMetrics(
            name="", IoU=iou, IoU_all=iou, ACC=iou, ground_truth=1.0, prediction=1.0, mistaken_for=None
        )
        for iou in ious
    ]


def test_sets_of_which_most_classes_are_at_zero_are_named() -> None:
    line = unlearnt({"good": rows(0.0, 50.0), "val": rows(0.0, 0.004, 30.0, None), "open": rows(0.0, 0.0)})
    assert "0.00 for 2 of 3 classes of val, 2 of 2 classes of open; " in line
    for help_ in ("num_train_steps", "learning_rate", "rare classes", "evaluation/val.md"):
        assert help_ in line
    assert "\n" not in line


@pytest.mark.parametrize("ious", [(0.0, 0.006), (0.0,), (None, None), (0.0, 0.0, 1.0, 1.0)])
def test_other_sets_are_not(ious: tuple[float | None, ...]) -> None:
    assert unlearnt({"val": rows(*ious)}) == ""
