import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.hue_saturation import change_hue_saturation

SAME = bytes(range(256))


def by_pillow(image: Image.Image, hues: bytes, saturations: bytes) -> np.ndarray:
    return np.asarray(image.convert("HSV").point([*hues, *saturations, *range(256)]).convert("RGB"))


def every_colour(step: int) -> Image.Image:
    """Every `step`-th colour, from black to white, with all greys and pairs of equal channels."""
    values = np.unique([*range(0, 256, step), 1, 2, 254, 255]).astype(np.uint8)
    rgb = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1)
    return Image.fromarray(rgb.reshape(len(values) ** 2, len(values), 3))


@pytest.mark.parametrize("hue", [0, 3, 25, 128, 250])
@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0, 1.37])
def test_every_result_is_that_of_pillow(hue: int, gain: float) -> None:
    image = every_colour(9)
    hues = bytes((value + hue) % 255 for value in range(256))
    saturations = bytes(min(int(value * gain), 255) for value in range(256))
    result = change_hue_saturation(image, hues, saturations)
    np.testing.assert_array_equal(result, by_pillow(image, hues, saturations))


@pytest.mark.slow
def test_all_colours_are_those_of_pillow() -> None:
    image = every_colour(1)
    assert image.width * image.height == 256**3
    hues = bytes((value + 77) % 256 for value in range(256))
    np.testing.assert_array_equal(change_hue_saturation(image, hues, SAME), by_pillow(image, hues, SAME))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (700, 200), (1, 70_000), (70_000, 1)])
def test_images_of_any_size(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(noise)
    result = change_hue_saturation(image, SAME[::-1], SAME)
    np.testing.assert_array_equal(result, by_pillow(image, SAME[::-1], SAME))


def test_pure_colours() -> None:
    image = Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [9, 9, 9]]], np.uint8))
    third = bytes((value + 85) % 255 for value in range(256))  # of the full circle
    assert change_hue_saturation(image, third, SAME).tolist() == [[[0, 255, 0], [0, 0, 255], [9, 9, 9]]]
