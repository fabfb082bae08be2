from typing import Any

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.inference.comparison import comparison
from hclip_jax.inference.overlay import overlay
from hclip_jax.inference.palette import class_colours

NAMES = ["sky", "grass", "cat"]
COLOURS = class_colours(NAMES)
GREY = np.full((480, 640, 3), 100, np.uint8)
MARGIN = 14  # pixels around an image of this size


def halves(left: int, right: int) -> np.ndarray:
    label = np.full((480, 640), left)
    label[:, 320:] = right
    return label


def find(image: Image.Image | np.ndarray, colour: Any) -> np.ndarray:
    """The mask of pixels of exactly this colour."""
    return (np.asarray(image) == np.asarray(colour)).all(axis=-1)


def blended(t: int, opacity: float) -> np.ndarray:
    """The colour of class t over GREY."""
    return 100 + (COLOURS[t].astype(int) - 100) * opacity


@pytest.mark.parametrize("opacity", [0.0, 0.55, 1.0])
def test_class_colours_are_blended_and_ignored_pixels_are_unchanged(opacity: float) -> None:
    sheet = np.asarray(overlay(GREY, halves(2, IGNORE), NAMES, opacity))
    cat, ignored = sheet[MARGIN + 240, MARGIN + 100], sheet[MARGIN + 240, MARGIN + 500]
    np.testing.assert_allclose(cat, blended(2, opacity), atol=1)
    assert ignored.tolist() == [100, 100, 100]


def test_the_legend_covers_no_pixel_of_the_image() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (500, 600, 3), dtype=np.uint8)
    sheet = np.asarray(overlay(image, np.full((500, 600), 1), NAMES, opacity=0.0))
    np.testing.assert_array_equal(sheet[14:514, 14:614], image)


def test_borders_are_between_classes_only() -> None:
    image = np.asarray(overlay(GREY, halves(0, 1), NAMES, opacity=1.0))[14:494, 14:654]
    plain = find(image, COLOURS[0]) | find(image, COLOURS[1])
    assert not plain[:, 320].any()
    assert np.delete(plain, 320, axis=1).all()


def test_the_legend_lists_present_classes_largest_first() -> None:
    label = np.full((480, 640), 2)
    label[:100] = 0
    legend = np.asarray(overlay(GREY, label, NAMES, opacity=0.5))[494:]
    swatches = {t: np.argwhere(find(legend, COLOURS[t])) for t in range(3)}
    assert len(swatches[0]) > 50
    assert len(swatches[2]) > 50
    assert len(swatches[1]) == 0
    assert tuple(swatches[2].min(axis=0)[::-1]) < tuple(swatches[0].min(axis=0)[::-1])


def test_the_legend_has_at_most_twenty_rows() -> None:
    names = [f"class {t}" for t in range(200)]
    counts = []
    for present in (20, 21, 200):
        label = np.arange(480 * 640).reshape(480, 640) % present
        sheet = overlay(GREY, label, names)
        legend = np.asarray(sheet)[494:]
        counts.append(sum(find(legend, colour).any() for colour in class_colours(names)))
        assert sheet.height <= 480 + 3 * 14 + 20 * 21  # twenty rows, even in a single column
    assert counts == [20, 19, 19]  # the twentieth row is "+N more"


def test_unknown_pixels_have_the_last_row_of_the_legend() -> None:
    label = halves(1, IGNORE)
    named, unnamed = overlay(GREY, label, NAMES, unknown="unknown"), overlay(GREY, label, NAMES)
    all_known = GREY, halves(1, 0), NAMES[:2]
    assert overlay(*all_known, unknown="unknown") == overlay(*all_known)
    legend, without = np.asarray(named)[494:], np.asarray(unnamed)[494:]
    edges = np.flatnonzero(find(legend, (120, 120, 120)).sum(axis=0) > 7)  # of an outlined swatch
    assert len(edges) == 2
    assert not (find(without, (120, 120, 120)).sum(axis=0) > 7).any()
    assert edges[0] > np.flatnonzero(find(legend, COLOURS[1]).any(axis=0)).max()
    assert find(legend, (28, 28, 28))[:, edges[1] :].any()  # the name


def test_all_pixels_unknown_gives_rows_of_what_was_asked() -> None:
    label = np.full((480, 640), IGNORE)
    sheet = overlay(GREY, label, NAMES, unknown="unknown")
    np.testing.assert_array_equal(np.asarray(sheet)[14:494, 14:654], GREY)
    assert sheet.height == 480 + 3 * 14 + 2 * 21  # sky, grass, cat and unknown, in two columns


def test_classes_that_were_asked_and_are_nowhere_have_rows_or_are_counted() -> None:
    few, many = [*NAMES, "dog"], [*NAMES, *(f"class {t}" for t in range(40))]
    label = halves(0, 1)
    heights = [overlay(GREY, label, names, unknown="unknown").height for names in (NAMES[:2], few, many)]
    assert heights[0] < heights[1] == heights[2]  # in two columns: two rows more, and one that counts 41
    np.testing.assert_array_equal(overlay(GREY, label, few), overlay(GREY, label, [*NAMES, "bird"]))


def test_a_full_legend_still_has_a_row_for_unknown_pixels() -> None:
    names = [f"class {t}" for t in range(200)]
    counts = []
    for present in (19, 20, 200):
        label = np.arange(480 * 640).reshape(480, 640) % present
        label[:, :9] = IGNORE
        legend = np.asarray(overlay(GREY, label, names, unknown="unknown"))[494:]
        counts.append(sum(find(legend, colour).any() for colour in class_colours(names)))
    assert counts == [19, 18, 18]  # with "+N more" and "unknown" twenty rows


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 60), (60, 1), (32, 32), (24, 40), (200, 2000), (2000, 100), (1500, 2000)]
)
def test_every_size_gives_an_image_and_a_legend(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 100, np.uint8)
    label = np.full(shape, 1)
    for sheet in (overlay(image, label, NAMES), comparison(image, label, label, NAMES)):
        assert max(sheet.size) >= 480
        pixels = np.asarray(sheet)
        em = max(14, 0.8 * max(shape) / 60)
        assert find(pixels, COLOURS[1]).sum() > 0.7 * em**2  # the swatch
        assert (pixels.sum(axis=-1) < 200).sum() > em  # letters
    assert (np.asarray(overlay(image, label, NAMES, 0.0)) == 100).all(-1).sum() >= np.prod(shape)


def test_a_small_image_is_enlarged_by_a_whole_factor() -> None:
    label = np.arange(16).reshape(4, 4) % 3
    image = np.full((4, 4, 3), 100, np.uint8)
    cells = np.asarray(overlay(image, label, NAMES, opacity=1.0))[14:494, 14:494][60::120, 60::120]
    np.testing.assert_array_equal(cells, COLOURS[label])


def test_without_labelled_pixels_the_result_is_the_image() -> None:
    result = np.asarray(overlay(GREY, np.full((480, 640), IGNORE), NAMES))
    np.testing.assert_array_equal(result, GREY)


@pytest.mark.parametrize(
    "name",
    ["x" * 5000, "日本語の道路標識", "поезд", "😀", "مرحبا", "a\nb\tc", "\x00", " ", "\u200b"],
)
def test_any_class_name_fits_into_the_legend(name: str) -> None:
    usual = overlay(GREY, np.zeros((480, 640), int), ["cat"])
    sheet = overlay(GREY, np.zeros((480, 640), int), [name])
    assert sheet.width == usual.width
    assert sheet.height == usual.height


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": GREY.astype(np.float32)}, "image is float32"),
        ({"image": GREY[..., 0]}, r"image is uint8 \(480, 640\)"),
        ({"image": GREY[:0], "label": np.zeros((0, 640), int)}, r"image is uint8 \(0, 640, 3\)"),
        ({"label": np.zeros((640, 480), int)}, r"label is \(640, 480\)"),
        ({"label": np.full((480, 640), 3)}, "class id 3, but the 3 classes have ids 0 to 2"),
        ({"label": np.full((480, 640), -2)}, "class id -2"),
        ({"opacity": 1.5}, "opacity is 1.5"),
    ],
)
def test_wrong_input_is_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"image": GREY, "label": halves(0, 1), "class_names": NAMES}
    with pytest.raises(UserError, match=message):
        overlay(**{**arguments, **change})


@pytest.mark.parametrize("shape", [(100, 9000), (9000, 100), (5000, 4200), (1, 400_000)])
def test_a_large_image_is_reduced(shape: tuple[int, int]) -> None:
    label = np.zeros(shape, np.int8)
    label[:, shape[1] // 2 :] = 1
    sheet = overlay(np.full((*shape, 3), 100, np.uint8), label, NAMES, opacity=1.0)
    assert max(sheet.size) < 4096 + 5 * 68  # and margins, and a legend beside a tall image
    first, second = (find(sheet, COLOURS[t]).sum() for t in (0, 1))
    assert min(first, second) > 0.4 * np.prod(shape) * (4096 / max(shape)) ** 2 - 4096


def test_the_legend_of_a_large_image_has_the_shares_of_all_pixels() -> None:
    label = np.zeros((8, 9000), np.int8)
    label[0, 0] = 2  # between the samples of the reduced label
    legend = np.asarray(overlay(np.full((8, 9000, 3), 100, np.uint8), label, NAMES))
    assert find(legend, COLOURS[2]).any()
