import numpy as np
import pytest

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.inference.overlay import comparison, overlay, palette

NAMES = ["sky", "grass", "cat"]
GREY = np.full((480, 640, 3), 100, np.uint8)


def halves(left, right, shape=(480, 640)):
    label = np.full(shape, left)
    label[:, shape[1] // 2 :] = right
    return label


def find(picture, colour):
    """The mask of pixels of exactly this colour."""
    return (np.asarray(picture) == np.asarray(colour)).all(axis=-1)


def painted(t, opacity, T=3):
    return 100 + (palette(T)[t].astype(int) - 100) * opacity


@pytest.mark.parametrize("count", [0, 1, 2, 171, 847])
def test_colours_are_distinct_and_the_same_for_any_count(count):
    colours = palette(count)
    assert colours.shape == (count, 3)
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == count
    np.testing.assert_array_equal(colours, palette(900)[:count])


def test_the_first_colours_are_far_apart():
    colours = palette(40).astype(int)
    distance = np.abs(colours[:, None] - colours[None]).sum(axis=-1)
    assert distance[~np.eye(40, dtype=bool)].min() >= 60


def test_more_colours_than_there_are_repeat():
    assert palette(20000).shape == (20000, 3)


def test_a_callers_changes_do_not_reach_the_palette():
    palette(5)[:] = 0
    assert palette(5).any()


@pytest.mark.parametrize("opacity", [0.0, 0.55, 1.0])
def test_paint_is_a_blend_and_ignored_pixels_stay(opacity):
    picture = np.asarray(overlay(GREY, halves(2, IGNORE), NAMES, opacity))
    top = left = 14  # the margin
    cat, ignored = picture[top + 240, left + 100], picture[top + 240, left + 500]
    np.testing.assert_allclose(cat, painted(2, opacity), atol=1)
    assert ignored.tolist() == [100, 100, 100]


def test_the_picture_is_shown_whole():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (500, 600, 3), dtype=np.uint8)
    picture = np.asarray(overlay(image, np.full((500, 600), 1), NAMES, opacity=0.0))
    np.testing.assert_array_equal(picture[14:514, 14:614], image)


def test_borders_part_classes_and_nothing_else():
    picture = np.asarray(overlay(GREY, halves(0, 1), NAMES, opacity=1.0))[14:494, 14:654]
    plain = find(picture, palette(3)[0]) | find(picture, palette(3)[1])
    assert not plain[:, 320].any()
    assert np.delete(plain, 320, axis=1).all()


def test_the_legend_names_present_classes_largest_first():
    label = np.full((480, 640), 2)
    label[:100] = 0
    below = np.asarray(overlay(GREY, label, NAMES, opacity=0.5))[494:]
    swatch = {t: np.argwhere(find(below, palette(3)[t])) for t in range(3)}
    assert len(swatch[0]) > 50
    assert len(swatch[2]) > 50
    assert len(swatch[1]) == 0
    assert tuple(swatch[2].min(axis=0)[::-1]) < tuple(swatch[0].min(axis=0)[::-1])


def test_the_legend_is_bounded():
    names = [f"class {t}" for t in range(200)]
    swatches = []
    for present in (20, 21, 200):
        label = np.arange(480 * 640).reshape(480, 640) % present
        sheet = overlay(GREY, label, names)
        legend = np.asarray(sheet)[494:]
        swatches.append(sum(find(legend, colour).any() for colour in palette(200)))
        assert sheet.height <= 480 + 3 * 14 + 20 * 21  # twenty rows, even in a single column
    assert swatches == [20, 19, 19]  # the twentieth row says "+N more"


def test_unknown_pixels_are_the_last_row_of_the_legend():
    label = halves(1, IGNORE)
    named, unnamed = overlay(GREY, label, NAMES, unknown="unknown"), overlay(GREY, label, NAMES)
    assert overlay(GREY, halves(1, 0), NAMES, unknown="unknown") == overlay(GREY, halves(1, 0), NAMES)
    legend, before = np.asarray(named)[494:], np.asarray(unnamed)[494:]
    edges = np.flatnonzero(find(legend, (120, 120, 120)).sum(axis=0) > 7)  # of a hollow swatch
    assert len(edges) == 2
    assert not (find(before, (120, 120, 120)).sum(axis=0) > 7).any()
    assert edges[0] > np.flatnonzero(find(legend, palette(3)[1]).any(axis=0)).max()
    assert find(legend, (28, 28, 28))[:, edges[1] :].any()  # its name


def test_all_unknown_is_a_legend_of_one_row():
    label = np.full((480, 640), IGNORE)
    sheet = overlay(GREY, label, NAMES, unknown="unknown")
    np.testing.assert_array_equal(np.asarray(sheet)[14:494, 14:654], GREY)
    assert sheet.height == 480 + 3 * 14 + 21


def test_a_full_legend_has_room_for_unknown_pixels():
    names = [f"class {t}" for t in range(200)]
    swatches = []
    for present in (19, 20, 200):
        label = np.arange(480 * 640).reshape(480, 640) % present
        label[:, :9] = IGNORE
        legend = np.asarray(overlay(GREY, label, names, unknown="unknown"))[494:]
        swatches.append(sum(find(legend, colour).any() for colour in palette(200)))
    assert swatches == [19, 18, 18]  # with "+N more" and "unknown" twenty rows


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 60), (60, 1), (32, 32), (24, 40), (200, 2000), (2000, 100), (1500, 2000)]
)
def test_any_size_shows_picture_and_legend(shape):
    image = np.full((*shape, 3), 100, np.uint8)
    label = np.full(shape, 1)
    for sheet in (overlay(image, label, NAMES), comparison(image, label, label, NAMES)):
        assert max(sheet.size) >= 480
        pixels = np.asarray(sheet)
        em = max(14, 0.8 * max(shape) / 60)
        assert find(pixels, palette(3)[1]).sum() > 0.7 * em**2  # the swatch
        assert (pixels.sum(axis=-1) < 200).sum() > em  # letters
    assert (np.asarray(overlay(image, label, NAMES, 0.0)) == 100).all(-1).sum() >= np.prod(shape)


def test_a_small_picture_is_enlarged_by_whole_pixels():
    label = np.arange(16).reshape(4, 4) % 3
    image = np.full((4, 4, 3), 100, np.uint8)
    cell = np.asarray(overlay(image, label, NAMES, opacity=1.0))[14:494, 14:494][60::120, 60::120]
    np.testing.assert_array_equal(cell, palette(3)[label])


def test_nothing_labelled_leaves_the_picture_alone():
    picture = np.asarray(overlay(GREY, np.full((480, 640), IGNORE), NAMES))
    np.testing.assert_array_equal(picture, GREY)


@pytest.mark.parametrize(
    "name",
    ["x" * 5000, "日本語の道路標識", "поезд", "😀", "مرحبا", "a\nb\tc", "\x00", " ", "\u200b"],
)
def test_any_class_name_is_drawn_within_bounds(name):
    usual = overlay(GREY, np.zeros((480, 640), int), ["cat"])
    sheet = overlay(GREY, np.zeros((480, 640), int), [name])
    assert sheet.width == usual.width
    assert sheet.height == usual.height


def test_comparison_shows_the_three_and_both_shares():
    prediction = np.full((480, 640), 1)
    sheet = np.asarray(comparison(GREY, halves(0, IGNORE), prediction, NAMES))
    width = sheet.shape[1] // 3
    photo = [find(sheet[:, i * width : (i + 1) * width], [100] * 3).sum() for i in range(3)]
    assert photo[0] >= 480 * 630
    assert 480 * 300 < photo[1] < 480 * 330
    assert photo[2] < 480 * 20
    sky, grass = painted(0, 0.7), painted(1, 0.7)
    column = sheet[sheet.shape[0] // 3]
    assert (np.abs(column[width : 2 * width] - sky).max(axis=-1) <= 1).sum() > 300
    assert (np.abs(column[2 * width :] - grass).max(axis=-1) <= 1).sum() > 600
    assert find(sheet, palette(3)[0]).any()  # swatches of classes that only one of them has
    assert find(sheet, palette(3)[1]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": GREY.astype(np.float32)}, "picture is float32"),
        ({"image": GREY[..., 0]}, r"picture is uint8 \(480, 640\)"),
        ({"image": GREY[:0], "label": np.zeros((0, 640), int)}, r"picture is uint8 \(0, 640, 3\)"),
        ({"label": np.zeros((640, 480), int)}, r"label is \(640, 480\)"),
        ({"label": np.full((480, 640), 3)}, "class id 3, but the 3 classes have ids 0 to 2"),
        ({"label": np.full((480, 640), -2)}, "class id -2"),
        ({"opacity": 1.5}, "opacity is 1.5"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(UserError, match=message):
        overlay(**{"image": GREY, "label": halves(0, 1), "class_names": NAMES, **change})


def test_comparison_names_the_wrong_label():
    with pytest.raises(UserError, match="prediction holds class id 7"):
        comparison(GREY, halves(0, 1), np.full((480, 640), 7), NAMES)
