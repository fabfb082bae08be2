import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.inference import sliding_window
from hclip_jax.ops import resize
from tests import tolerance


def test_windows_tile_the_published_canvas() -> None:
    assert sliding_window.window_corners(640, 384, 256) == [(0, 0), (0, 256), (256, 0), (256, 256)]


def test_views_are_windows_of_the_canvas_and_the_whole_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    views = sliding_window.window_views(image, canvas_size=16, crop_size=8, stride=8)
    assert views.shape == (5, 8, 8, 3)
    canvas = sliding_window.resize_square(image, 16)
    np.testing.assert_array_equal(views[1], canvas[:8, 8:])
    np.testing.assert_array_equal(views[2], canvas[8:, :8])
    # The last view is resized from the image: one bilinear step, not two.
    np.testing.assert_array_equal(views[4], sliding_window.resize_square(image, 8))
    assert np.abs(views[4] - sliding_window.resize_square(canvas, 8)).max() > 1


@pytest.mark.parametrize("size", [4, 12, 16, 23])
def test_the_square_is_the_bilinear_one(size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    rows, columns = resize.bilinear_weights(size, 12), resize.bilinear_weights(size, 20)
    plain = resize.gather_bilinear(image.astype(np.float32).transpose(2, 0, 1), rows, columns)
    square = sliding_window.resize_square(image, size)
    assert square.dtype == np.float32
    np.testing.assert_array_equal(square, plain.transpose(1, 2, 0))


def test_merge_averages_windows_then_the_whole_image() -> None:
    # One class; every view is constant, so its probability is too.
    values = np.array([0.1, 0.3, 0.5, 0.7, 0.9], np.float32)
    logits = np.log(values / (1 - values))[:, None, None, None] * np.ones((5, 1, 2, 2), np.float32)
    merge = jax.jit(lambda x: sliding_window.merge_views(x, canvas_size=12, crop_size=8, stride=4))
    merged = np.asarray(merge(jnp.asarray(logits)))[0]
    assert merged.shape == (12, 12)
    for pixel, windows in (
        ((0, 0), values[:1]),
        ((0, 5), values[:2]),
        ((11, 11), values[3:4]),
        ((6, 6), values[:4]),
    ):
        np.testing.assert_allclose(merged[pixel], (windows.mean() + 0.9) / 2, rtol=1e-5)
    tolerance.assert_close(merged.T[0, 5], np.float32((values[[0, 2]].mean() + 0.9) / 2))
