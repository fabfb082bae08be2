"""Images of the Python interface that cannot be used are refused in one sentence."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hclip_jax.errors import UserError
from hclip_jax.images.image_like import as_rgb

RGB = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def truncated() -> Image.Image:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    return Image.open(io.BytesIO(buffer.getvalue()[:-500]))  # the header is whole


def closed() -> Image.Image:
    image = Image.fromarray(RGB)
    image.close()
    return image


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (truncated, "the image cannot be decoded .*: open a whole file, or give its path"),
        (closed, "the image cannot be decoded .*closed image"),
        (lambda: Image.new("RGB", (0, 4)), "the image has 0 x 4 pixels; give uint8"),
        (lambda: [[1, 2], [3]], "the image is a list and no array; give uint8"),
        (lambda: None, r"the image is an array object \(\); give uint8"),
        (lambda: np.full((4, 4, 3), np.nan), r"the image is an array float64 \(4, 4, 3\)"),
        (lambda: np.zeros((0, 4, 3), np.uint8), r"uint8 \(0, 4, 3\)"),
        (lambda: "a\0b.png", "cannot read a"),
    ],
)
def test_unusable_images_are_refused(make: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        as_rgb(make())
    assert "\n" not in str(caught.value)


def test_the_limit_holds_for_pil_images() -> None:
    with pytest.raises(
        UserError, match=r"the image has 40 x 30 pixels \(0.0 megapixels\), but at most 0.001"
    ):
        as_rgb(Image.fromarray(RGB), max_megapixels=0.001)


@pytest.mark.parametrize("given", [RGB, RGB[..., 0], np.dstack([RGB, RGB[..., :1]]), RGB[::2, ::2]])
def test_the_result_does_not_change_with_the_array(given: np.ndarray) -> None:
    array = given.copy()
    result = as_rgb(array)
    before = result.copy()
    array[:] = 0
    np.testing.assert_array_equal(result, before)
