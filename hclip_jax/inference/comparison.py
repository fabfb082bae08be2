"""An image, its ground truth, a prediction and its errors side by side."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.inference.legend import (
    BLACK,
    MAX_ROWS,
    WHITE,
    LegendRow,
    class_rows,
    concatenate,
    font_size,
    percent,
    text_line,
    with_legend,
)
from hclip_jax.inference.overlay import check_inputs, class_shares, enlarge, paint, reduce
from hclip_jax.inference.palette import class_colours

_WRONG = np.array([[225, 30, 30]], np.uint8)
_OPACITY = 0.7


def comparison(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, class_names: Sequence[str]
) -> Image.Image:
    """Image, ground truth, prediction and errors side by side, with one legend and the mIoU of the image.

    Args:
        image: uint8 [H, W, 3] RGB.
        truth: integers [H, W], class ids; IGNORE is not painted.
        prediction: integers [H, W], as `truth`.
        class_names: T names.

    Returns:
        The four panels, enlarged or reduced as in `overlay`, and a legend of the largest classes of either
        label map with their share of the image in the ground truth and in the prediction. Errors are red
        where the prediction is another class than the ground truth. The mIoU is that over the classes of the
        ground truth.

    Raises:
        UserError: a shape, dtype or class id is not as described above.
    """
    T = len(class_names)
    check_inputs(image, {"truth": truth, "prediction": prediction}, T, _OPACITY)
    colours = class_colours(class_names)
    small_image, small_truth, small_prediction = reduce(image, truth, prediction)
    # Red shows on every image without colours.
    grey = np.asarray(Image.fromarray(small_image).convert("L").convert("RGB"))
    is_wrong = (small_truth != small_prediction) & (small_truth != IGNORE)
    panels = {
        "image": enlarge(Image.fromarray(small_image)),
        "ground truth": paint(small_image, small_truth, colours, _OPACITY),
        "prediction": paint(small_image, small_prediction, colours, _OPACITY),
        _errors(truth, prediction, T): paint(grey, np.where(is_wrong, 0, IGNORE), _WRONG, _OPACITY),
    }
    width, height = panels["image"].size
    em = font_size(max(len(panels) * width, height))
    captioned = [
        concatenate([text_line(caption, em, BLACK), panel], 0, vertical=True)
        for caption, panel in panels.items()
    ]
    side_by_side = concatenate(captioned, em // 2, vertical=False)

    shares = class_shares(truth, T), class_shares(prediction, T)
    values = [f"{percent(a)} / {percent(b)}" for a, b in zip(*shares, strict=True)]
    unlabelled = 100 - shares[0].sum()
    last = [LegendRow(WHITE, "unlabelled", f"{percent(unlabelled)} / –")] if truth.min() == IGNORE else []
    rows = [*class_rows(np.maximum(*shares), values, class_names, colours, MAX_ROWS - len(last)), *last]
    title = "% of ground truth / prediction"
    return with_legend(side_by_side, rows, em, title) if rows else side_by_side


def _errors(truth: np.ndarray, prediction: np.ndarray, T: int) -> str:
    """The caption of the errors: "errors, mIoU 43.2"."""
    labelled = truth != IGNORE
    a, b = truth[labelled].astype(np.int64), prediction[labelled].astype(np.int64)
    # A prediction may be IGNORE as well, which is no class.
    in_truth, correct = np.bincount(a, minlength=T), np.bincount(a[a == b], minlength=T)
    predicted = np.bincount(b[b != IGNORE], minlength=T)
    present = in_truth > 0
    if not present.any():
        return "errors"
    iou = correct[present] / (in_truth + predicted - correct)[present]
    return f"errors, mIoU {100 * iou.mean():.1f}"
