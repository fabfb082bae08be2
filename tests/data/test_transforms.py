import colorsys

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.transforms import _shift_colours, augment, resize_shortest
from hclip_jax.data.types import IGNORE, Example

COLOURS = np.array([[200, 60, 40], [50, 90, 180], [90, 170, 70], [230, 220, 210]], np.uint8)


def blocks(height: int, width: int) -> Example:
    """An image of four flat regions, each in the colour of its class."""
    label = np.zeros((height, width), np.int32)
    label[height // 3 :, :] += 1
    label[:, width // 4 :] += 2
    return {"image": COLOURS[label], "label": label, "name": ""}


def flat(height: int, width: int, colour: tuple[int, int, int]) -> Example:
    """An image of one colour; the label is the column index."""
    label = np.broadcast_to(np.arange(width, dtype=np.int32), (height, width)).copy()
    return {"image": np.full((height, width, 3), colour, np.uint8), "label": label, "name": ""}


@pytest.mark.parametrize("shape", [(48, 64), (64, 48), (30, 37), (200, 130), (20, 900), (900, 20)])
def test_image_and_label_get_the_same_transform(shape: tuple[int, int]) -> None:
    for seed in range(12):
        result = augment(blocks(*shape), np.random.default_rng(seed), 64)
        image, label = result["image"], result["label"]
        assert (image.shape, image.dtype) == ((64, 64, 3), np.uint8)
        assert (label.shape, label.dtype) == ((64, 64), np.int32)
        padded = label == IGNORE
        assert (image[padded] == 128).all()
        agrees = [
            (np.abs(pixels - np.median(pixels, axis=0)) < 3).all(axis=-1)
            for pixels in (image[label == index].astype(float) for index in np.unique(label[~padded]))
        ]
        assert np.concatenate(agrees).mean() > 0.9  # all but the blurred borders


def test_padding_only_where_the_longest_edge_limits_the_size() -> None:
    rng = np.random.default_rng(0)
    assert (augment(blocks(20, 400), rng, 64)["label"] != IGNORE).all()
    label = augment(blocks(20, 900), rng, 64)["label"]
    rows = int(20 * 1333 / 900 + 0.5)
    assert (label[:rows] != IGNORE).all()
    assert (label[rows:] == IGNORE).all()


def test_resize_creates_no_new_ids() -> None:
    example = blocks(50, 70)
    example["label"] = np.where(example["label"] < 2, IGNORE, 40).astype(np.int32)
    labels = [augment(example, np.random.default_rng(seed), 64)["label"] for seed in range(8)]
    assert set(np.unique(labels).tolist()) == {IGNORE, 40}


def test_crops_and_flips_are_uniform() -> None:
    rng = np.random.default_rng(0)
    labels = [augment(flat(32, 64, (9, 9, 9)), rng, 32)["label"][0] for _ in range(400)]
    flips = [label[0] > label[-1] for label in labels]
    lefts = np.array([label.min() for label in labels])
    assert all(label.max() - label.min() == 31 for label in labels)
    assert 0.43 < np.mean(flips) < 0.57
    assert (lefts.min(), lefts.max()) == (0, 32)
    assert 14 < lefts.mean() < 18


def test_augmentation_is_a_function_of_the_generator() -> None:
    first, again, other = (augment(blocks(50, 90), np.random.default_rng(seed), 48) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["image"], again["image"])
    np.testing.assert_array_equal(first["label"], again["label"])
    assert (first["image"] != other["image"]).any()


def test_jitter_has_the_published_strength() -> None:
    colour = (150, 100, 80)
    hue, saturation, _ = colorsys.rgb_to_hsv(*(np.array(colour) / 255))
    rng = np.random.default_rng(0)
    results = np.array([augment(flat(4, 4, colour), rng, 4)["image"][0, 0] for _ in range(2000)], np.float64)
    untouched = (results == colour).all(axis=-1).mean()
    assert 0.04 < untouched < 0.09  # all four parts left out: 1/16
    in_hsv = np.array([colorsys.rgb_to_hsv(*(rgb / 255)) for rgb in results])
    hue_shifts = (in_hsv[:, 0] - hue + 0.5) % 1 - 0.5
    unclipped = results.max(axis=-1) < 255  # clipping changes hues
    assert 0.09 < np.abs(hue_shifts[unclipped]).max() < 0.11  # 18 of OpenCV's 180 hues
    assert hue_shifts[unclipped].min() < -0.08
    assert hue_shifts[unclipped].max() > 0.08
    brightest = results.max(axis=-1)
    assert brightest.max() == 255  # (150 + 32) * 1.5, clipped
    assert (150 - 32) * 0.5 - 2 <= brightest.min() < (150 - 32) * 0.5 + 12
    gains = in_hsv[unclipped, 1] / saturation
    assert gains.max() > 1.4
    assert gains.min() < 0.6


@pytest.mark.parametrize(("saturation", "hue"), [(1.0, 18), (1.0, -18), (0.5, 0), (1.5, 7)])
def test_colour_shift_equals_colorsys(saturation: float, hue: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    expected = np.empty(rgb.shape)
    for index in np.ndindex(16, 16):
        h, s, v = colorsys.rgb_to_hsv(*(rgb[index] / 255))
        expected[index] = colorsys.hsv_to_rgb((h + hue / 180) % 1, min(s * saturation, 1), v)
    result = np.asarray(_shift_colours(Image.fromarray(rgb), saturation, hue)).astype(float)
    assert np.abs(result - 255 * expected).max() <= 9  # PIL's HSV has 8 bits a channel
    assert np.abs(result - 255 * expected).mean() < 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((480, 640), (640, 853)),
        ((333, 500), (640, 961)),
        ((500, 333), (961, 640)),
        ((900, 900), (640, 640)),
        ((100, 1000), (256, 2560)),
        ((1, 9000), (1, 2560)),
    ],
)
def test_resize_shortest_rounds_as_detectron2(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    result = resize_shortest(image, 640, 2560)
    assert (result.shape, result.dtype) == ((*expected, 3), np.uint8)
    expected_image = Image.fromarray(image).resize(expected[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(result, np.asarray(expected_image))


def test_resize_shortest_returns_an_image_of_the_right_size_unchanged() -> None:
    for shape in ((640, 700, 3), (700, 640, 3), (320, 2560, 3)):
        image = np.zeros(shape, np.uint8)
        assert resize_shortest(image, 640, 2560) is image
