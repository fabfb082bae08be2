import numpy as np
import pytest

from hclip_jax.data.check.thin_lines import thin_lines_between

SIZE = (30, 40)
X = np.arange(SIZE[1])


def stripes(*widths_and_ids: tuple[int, int]) -> np.ndarray:
    """A label of vertical stripes."""
    row = np.concatenate([np.full(width, t, np.uint8) for width, t in widths_and_ids])
    return row[None].repeat(SIZE[0], axis=0)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (stripes((20, 2), (1, 5), (19, 8)), (5,)),
        (stripes((20, 8), (2, 5), (18, 2)), (5,)),
        (stripes((20, 2), (1, 4), (1, 6), (18, 8)), (4, 6)),
        (stripes((20, 2), (3, 5), (17, 8)), ()),  # three pixels wide
        (stripes((20, 2), (1, 9), (19, 8)), ()),  # not between
        (stripes((20, 2), (1, 5), (19, 2)), ()),  # a pole before one class
        (stripes((10, 8), (1, 2), (1, 5), (28, 8)), ()),  # between a thin one and a large one
        (stripes((10, 2), (1, 8), (1, 5), (28, 2)), ()),
        (stripes((20, 2), (1, 5), (19, 255)), ()),  # beside unlabelled pixels
    ],
)
def test_stripes(label: np.ndarray, expected: tuple[int, ...]) -> None:
    assert thin_lines_between(label, 255) == expected
    assert thin_lines_between(label.T, 255) == expected
    wide = label.astype(np.uint16)
    assert thin_lines_between(np.where(wide == 255, np.uint16(65535), wide), 65535) == expected


def test_a_few_pixels_are_no_line() -> None:
    label = stripes((20, 2), (20, 8))
    label[3:10, 20] = 5
    assert thin_lines_between(label, 255) == ()
    label[3:11, 20] = 5
    assert thin_lines_between(label, 255) == (5,)


def test_a_class_that_is_thick_elsewhere_is_no_line() -> None:
    label = stripes((20, 2), (1, 5), (19, 8))
    label[:3, :3] = 5
    assert thin_lines_between(label, 255) == ()


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_noise_is_no_line(share: float) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 9, SIZE, dtype=np.uint8)
    assert thin_lines_between(np.where(rng.random(SIZE) < share, noise, np.uint8(4)), 255) == ()
    # Noise between two large classes: its other ids do not count.
    label = np.where((X < 20) & (rng.random(SIZE) < share), noise, stripes((20, 4), (20, 8)))
    assert thin_lines_between(label, 255) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (40, 2)])
def test_tiny_labels(size: tuple[int, int]) -> None:
    assert thin_lines_between(np.resize(np.array([0, 1, 2], np.uint8), size), 255) == ()


def test_values_that_are_no_ids() -> None:
    label = stripes((20, 2), (1, 5), (19, 8)).astype(np.int32)
    assert thin_lines_between(np.where(label == 8, -1, label), 65535) == ()
    assert thin_lines_between(np.where(label == 8, 1 << 30, label), 65535) == ()
