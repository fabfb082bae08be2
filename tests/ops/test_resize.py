import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.ops import backend, resize
from tests import tolerance

X = np.random.default_rng(0).standard_normal((2, 5, 7, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [(5, 7), (10, 7), (3, 4), (11, 16), (1, 1)])
def test_gather_bilinear_equals_bilinear(size: tuple[int, int]) -> None:
    want = jax.jit(lambda x: resize.bilinear(x, size, axes=(1, 2)))(X)
    rows, columns = resize.bilinear_weights(size[0], 5), resize.bilinear_weights(size[1], 7)
    got = resize.gather_bilinear(X.transpose(0, 3, 1, 2), rows, columns)
    assert isinstance(got, np.ndarray)
    tolerance.assert_close(got.transpose(0, 2, 3, 1), np.asarray(want), atol=1e-5)


@pytest.mark.parametrize("size", [(5, 7), (10, 7), (11, 16), (24, 25)])
def test_maps_upsampled_for_a_cpu_are_those_of_bilinear(size: tuple[int, int]) -> None:
    maps = jnp.asarray(X[..., 0])
    want = resize.bilinear(maps, size, axes=(1, 2))
    tolerance.assert_close(np.asarray(resize.upsample_maps(maps, size)), np.asarray(want), atol=1e-5)
    with backend.compiled_for("tpu"):
        np.testing.assert_array_equal(resize.upsample_maps(maps, size), want)


def test_padded_weights_start_with_the_unpadded_ones() -> None:
    plain, padded = resize.bilinear_weights(11, 5), resize.bilinear_weights(11, 5, padded=16)
    assert all(len(array) == 16 for array in padded)
    for a, b in zip(plain, padded, strict=True):
        np.testing.assert_array_equal(a, b[:11])


def test_bilinear_is_half_pixel_without_antialiasing() -> None:
    ramp = np.arange(8, dtype=np.float32)[None, :, None]
    half = resize.bilinear(ramp, (1, 4), axes=(0, 1))[0, :, 0]
    tolerance.assert_close(half, np.array([0.5, 2.5, 4.5, 6.5], np.float32))
    double = resize.bilinear(ramp, (1, 16), axes=(0, 1))[0, :3, 0]
    tolerance.assert_close(double, np.array([0.0, 0.25, 0.75], np.float32))


def test_align_corners() -> None:
    ramp = np.arange(3, dtype=np.float32)[None, :, None]
    tolerance.assert_close(
        resize.bilinear_align_corners(ramp, (1, 5))[0, :, 0],
        np.array([0.0, 0.5, 1.0, 1.5, 2.0], np.float32),
    )


def test_bicubic_kernel() -> None:
    impulse = np.zeros((9, 1), np.float32)
    impulse[4] = 1
    row = resize.bicubic(impulse, (18, 1), axes=(0, 1))[:, 0]
    a = -0.75  # Keys' kernel, by the distance from its centre
    near = lambda x: (a + 2) * x**3 - (a + 3) * x**2 + 1  # noqa: E731
    far = lambda x: a * (x**3 - 5 * x**2 + 8 * x - 4)  # noqa: E731
    want = [far(1.75), far(1.25), near(0.75), near(0.25), near(0.25), near(0.75)]
    tolerance.assert_close(np.asarray(row[5:11]), np.array(want, np.float32))
