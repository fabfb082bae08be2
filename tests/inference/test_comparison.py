"""Image, ground truth, prediction and errors side by side."""

import numpy as np
import pytest

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.evaluation.confusion_matrix import ConfusionMatrix
from hclip_jax.inference import comparison as module
from hclip_jax.inference.comparison import comparison
from tests.inference.test_overlay import COLOURS, GREY, NAMES, blended, find, halves


def test_comparison_has_four_panels_and_both_shares() -> None:
    prediction = np.full((480, 640), 1)
    sheet = np.asarray(comparison(GREY, halves(0, IGNORE), prediction, NAMES))
    width = sheet.shape[1] // 4
    unpainted = [find(sheet[:, i * width : (i + 1) * width], [100] * 3).sum() for i in range(4)]
    assert unpainted[0] >= 480 * 630
    assert 480 * 300 < unpainted[1] < 480 * 330
    assert unpainted[2] < 480 * 20
    sky, grass = blended(0, 0.7), blended(1, 0.7)
    row = sheet[sheet.shape[0] // 3]
    assert (np.abs(row[width : 2 * width] - sky).max(axis=-1) <= 1).sum() > 300
    assert (np.abs(row[2 * width : 3 * width] - grass).max(axis=-1) <= 1).sum() > 600
    assert (np.abs(row[3 * width :] - [188, 51, 51]).max(axis=-1) <= 1).sum() > 300  # red where labelled
    # The legend has the classes of both label maps.
    assert find(sheet, COLOURS[0]).any()
    assert find(sheet, COLOURS[1]).any()


def test_comparison_names_the_wrong_label_map() -> None:
    with pytest.raises(UserError, match="prediction holds class id 7"):
        comparison(GREY, halves(0, 1), np.full((480, 640), 7), NAMES)


def test_the_caption_has_the_miou_of_the_image() -> None:
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(-1, 3, (40, 50)), rng.integers(0, 4, (40, 50))
    matrix = ConfusionMatrix([*NAMES, "dog"])  # in no ground truth
    matrix.update(prediction, truth)
    assert module._errors(truth, prediction, 4) == f"errors, mIoU {matrix.summary()['mIoU']:.1f}"
    assert module._errors(np.full((2, 2), IGNORE), np.zeros((2, 2), int), 4) == "errors"


def test_unlabelled_ground_truth_has_a_row() -> None:
    prediction = np.zeros((480, 640), int)
    with_row, without = (comparison(GREY, halves(0, right), prediction, NAMES) for right in (IGNORE, 0))
    swatch = [120, 120, 120]  # the outline of a white one
    assert find(with_row, swatch).sum() > find(without, swatch).sum() + 10
