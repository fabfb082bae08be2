import numpy as np
import pytest
from matplotlib.path import Path as Outline
from scipy import ndimage

from hclip_jax.inference.polygons import mask_polygons

RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.mgrid[:60, :80]
DISC = (ROWS - 30) ** 2 + (COLUMNS - 40) ** 2 < 400


def fill(polygons: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Pixels whose centre is inside of a polygon."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    inside = [Outline(polygon).contains_points(centres) for polygon in polygons]
    return np.any(inside, axis=0).reshape(shape) if inside else np.zeros(shape, bool)


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((4, 5), bool),
        np.ones((1, 1), bool),
        np.ones((4, 5), bool),
        np.eye(6, dtype=bool),
        ~np.eye(6, dtype=bool),
        np.arange(40)[None] == 7,
        DISC,
        DISC & ((ROWS - 28) ** 2 + (COLUMNS - 35) ** 2 > 60),  # a hole
        DISC & ~((ROWS % 9 == 0) & (COLUMNS % 7 == 0)),  # many holes
        ROWS > 0.13 * COLUMNS,
        ndimage.gaussian_filter(RNG.standard_normal((60, 80)), 2) > 0,
        RNG.random((30, 30)) < 0.5,
    ],
)
def test_polygons_have_the_centres_of_the_masks_pixels(mask: np.ndarray) -> None:
    polygons = mask_polygons(mask)
    for polygon in polygons:
        assert len(polygon) >= 3
        assert (polygon >= 0).all()
        assert (polygon <= mask.shape[::-1]).all()
    np.testing.assert_array_equal(fill(polygons, mask.shape), mask)


def test_a_pixel_that_is_alone_is_kept() -> None:
    mask = np.zeros((5, 5), bool)
    mask[2, 3] = True
    np.testing.assert_array_equal(fill(mask_polygons(mask), mask.shape), mask)


def test_smooth_borders_have_few_points() -> None:
    (polygon,) = mask_polygons(DISC)
    assert len(polygon) < 60
