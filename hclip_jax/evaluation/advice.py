"""Advice at the end of a training that has not learnt most classes."""

from collections.abc import Mapping, Sequence

from hclip_jax.evaluation.confusion_matrix import ClassMetrics

_ZERO = 0.005  # percent; less is 0.00 in every table


def unlearnt(sets: Mapping[str, Sequence[ClassMetrics]]) -> str:
    """One line on evaluation sets of which most classes have an IoU of 0.00, with what usually helps.

    Args:
        sets: the rows of `ConfusionMatrix.per_class` of each set; classes without ground truth do not count,
            and neither does a set with fewer than two others, whose IoU says nothing.

    Returns:
        The line; empty if there is no such set.
    """
    found: dict[str, str] = {}
    for name, rows in sets.items():
        ious = [row["IoU"] for row in rows if row["IoU"] is not None]
        num_zero = sum(iou < _ZERO for iou in ious)
        if len(ious) > 1 and 2 * num_zero > len(ious):
            found[name] = f"{num_zero} of {len(ious)} classes of {name}"
    if not found:
        return ""
    return (
        f"note: IoU is 0.00 for {', '.join(found.values())}; usually more steps help "
        f"(config.train.num_train_steps), a higher learning rate while the loss still falls "
        f"(config.train.learning_rate), or more images of rare classes (column `ground truth` of "
        f"evaluation/{next(iter(found))}.md)"
    )
