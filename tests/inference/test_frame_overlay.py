"""Overlays of the frames of a video."""

import numpy as np
import pytest

from hclip_jax.inference.frame_overlay import FrameOverlay
from hclip_jax.inference.legend import WHITE
from hclip_jax.inference.palette import class_colours

NAMES = ("sky", "traffic light", "cat")


def paint(names: tuple[str, ...], label: np.ndarray) -> np.ndarray:
    return FrameOverlay(names, 1.0).paint(np.zeros((*label.shape, 3), np.uint8), label)


def swatches(frame: np.ndarray, names: tuple[str, ...]) -> list[str]:
    """Names whose colour, blended with a black image, is in the legend, from top to bottom."""
    mixed = (0.8 * class_colours(names)).astype(int)
    rows = {
        name: np.flatnonzero((np.abs(frame[:, 8:20].astype(int) - colour).max(axis=2) <= 1).any(axis=1))
        for name, colour in zip(names, mixed, strict=True)
    }
    return sorted((name for name in rows if len(rows[name])), key=lambda name: rows[name][0])


def test_size_and_colours() -> None:
    label = np.zeros((200, 300), np.int32)
    label[:, 200:], label[:50] = 2, -1
    frame = paint(NAMES, label)
    assert frame.shape == (200, 300, 3)
    np.testing.assert_array_equal(frame[10, 10], 0)  # unknown
    np.testing.assert_array_equal(frame[80, 150], class_colours(NAMES)[0])
    np.testing.assert_array_equal(frame[190, 290], class_colours(NAMES)[2])


@pytest.mark.parametrize("ids", [(0,), (0, 1, 2)])
def test_the_legend_of_few_classes_does_not_change(ids: tuple[int, ...]) -> None:
    label = np.full((200, 300), -1)
    label[:3, : len(ids)] = ids
    legend = paint(NAMES, label)[100:, :150]
    assert swatches(legend, NAMES) == list(NAMES)
    assert (legend[-3, 3] == (0.8 * np.array(WHITE)).astype(int)).all()


def test_the_legend_of_many_classes_has_the_largest_in_the_order_of_their_ids() -> None:
    names = tuple(f"thing {t}" for t in range(40))
    label = np.full((240, 160), -1)
    label[:40] = np.repeat([30, 7, 12, 21, 3, 33, 25, 1], 20)
    label[0, :20] = 11
    frame = paint(names, label)[45:]
    listed = swatches(frame, names)
    assert "thing 11" not in listed
    assert listed == sorted(listed, key=names.index)
    assert set(listed) <= {f"thing {t}" for t in (30, 7, 12, 21, 3, 33, 25, 1)}
    assert len(listed) >= 2
    assert not paint(names, np.full((240, 160), -1)).any()


def test_a_frame_smaller_than_its_legend() -> None:
    assert paint(NAMES, np.zeros((2, 3), np.int32)).shape == (2, 3, 3)
