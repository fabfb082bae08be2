"""What a segmentation tells of itself."""

import json

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.inference.overlay import overlay
from hclip_jax.inference.segmentation import Segmentation

RNG = np.random.default_rng(0)
CLASSES = ("sky", "grass, lawn", "cat", "nowhere")


def segmentation(ids: np.ndarray, classes: tuple[str, ...] = CLASSES) -> Segmentation:
    image = RNG.integers(0, 256, (*ids.shape, 3), dtype=np.uint8)
    confidence = RNG.random(ids.shape, np.float32)
    return Segmentation(image, classes, ids, confidence, lambda: np.ones((len(classes), *ids.shape)))


def test_the_summary_adds_up() -> None:
    found = segmentation(RNG.integers(IGNORE, 3, (30, 50), dtype=np.int32))
    summary = found.summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert (summary["height"], summary["width"]) == (30, 50)
    rows = summary["classes"]
    assert [row["id"] for row in rows] == [0, 1, 2, 3]
    assert tuple(row["name"] for row in rows) == CLASSES
    unknown = (found.ids == IGNORE).sum()
    assert unknown > 0
    assert sum(row["pixels"] for row in rows) == 30 * 50 - unknown
    assert sum(row["area"] for row in rows) + summary["unknown_area"] == pytest.approx(1)
    for row in rows[:3]:
        own = found.ids == row["id"]
        assert row["pixels"] == own.sum()
        assert row["area"] == pytest.approx(own.mean())
        assert row["mean_probability"] == pytest.approx(found.confidence[own].mean(), rel=1e-5)
    assert rows[3] == {"id": 3, "name": "nowhere", "pixels": 0, "area": 0.0, "mean_probability": None}


@pytest.mark.parametrize(("value", "unknown"), [(IGNORE, 1.0), (2, 0.0)])
def test_all_or_nothing_known(value: int, unknown: float) -> None:
    summary = segmentation(np.full((4, 6), value, np.int32)).summary()
    assert summary["unknown_area"] == unknown
    assert sum(row["area"] for row in summary["classes"]) == 1 - unknown


@pytest.mark.parametrize(
    ("count", "dtype", "unknown"), [(1, np.uint8, 255), (255, np.uint8, 255), (256, np.uint16, 65535)]
)
def test_label_images_hold_every_id_and_unknown(count: int, dtype: type, unknown: int) -> None:
    ids = np.append(np.arange(count), IGNORE).astype(np.int32)[None].repeat(2, axis=0)
    found = segmentation(ids, tuple(f"thing {t}" for t in range(count)))
    stored = np.asarray(found.label_image())
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, np.append(np.arange(count), unknown)[None].repeat(2, axis=0))


@pytest.mark.parametrize("shape", [(600, 800), (800, 600), (1, 1)])
def test_the_overlay_shows_the_picture_whole_and_a_legend(shape: tuple[int, int]) -> None:
    found = segmentation(np.full(shape, 1, np.int32))
    factor = max(1, -(-480 // max(shape)))
    painted = found.overlay(opacity=1.0)
    assert isinstance(painted, Image.Image)
    assert painted.width > shape[1] * factor
    assert painted.height > shape[0] * factor


def test_the_overlay_names_unknown_pixels() -> None:
    found = segmentation(np.zeros((480, 640), np.int32))
    assert found.overlay() == overlay(found.image, found.ids, CLASSES)
    found.ids[:100] = IGNORE
    assert found.overlay() == overlay(found.image, found.ids, CLASSES, unknown="unknown")
    assert found.overlay() != overlay(found.image, found.ids, CLASSES)


def test_probabilities_are_made_once() -> None:
    calls = []
    ids = np.zeros((2, 3), np.int32)

    def make() -> np.ndarray:
        calls.append(1)
        return np.zeros((4, 2, 3), np.float32)

    found = Segmentation(np.zeros((2, 3, 3), np.uint8), CLASSES, ids, np.zeros((2, 3), np.float32), make)
    assert not calls
    assert found.probabilities is found.probabilities
    assert len(calls) == 1
