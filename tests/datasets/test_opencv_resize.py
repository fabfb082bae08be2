"""Sizes, weights and rounding; the samples of ADE20K compare whole images with OpenCV's."""

import numpy as np
import pytest

from hclip_jax.datasets.ade20k_847 import shrunk
from hclip_jax.datasets.opencv_resize import resize_bilinear, resize_nearest


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1024, 1025), (512, 512)),  # 512.5 is rounded to even
        ((700, 530), (676, 512)),
        ((530, 700), (512, 676)),
        ((512, 512), (512, 512)),
        ((513, 513), (512, 512)),
        ((512, 2000), (512, 2000)),
        ((40, 56), (40, 56)),
    ],
)
def test_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shrunk(*size) == expected


def test_bilinear_halves() -> None:
    image = np.array([[0, 10, 20, 31], [0, 10, 20, 31]], np.uint8)
    np.testing.assert_array_equal(resize_bilinear(image, (1, 2)), [[5, 26]])  # 25.5 is rounded up


def test_bilinear_keeps_size_constants_and_channels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize_bilinear(image, (9, 7)), image)
    constant = np.full((9, 7, 3), 255, np.uint8)
    np.testing.assert_array_equal(resize_bilinear(constant, (5, 11)), np.full((5, 11, 3), 255))
    one = resize_bilinear(image, (4, 5))
    np.testing.assert_array_equal(one[..., 1], resize_bilinear(image[..., 1], (4, 5)))


def test_nearest_takes_the_floor() -> None:
    label = np.arange(10, dtype=np.uint16)[None]
    np.testing.assert_array_equal(resize_nearest(label, (1, 4)), [[0, 2, 5, 7]])
    np.testing.assert_array_equal(resize_nearest(label.T, (3, 1)), [[0], [3], [6]])
