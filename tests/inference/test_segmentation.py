import io
import json

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.images import bands
from hclip_jax.inference.overlay import overlay
from hclip_jax.inference.palette import class_colours
from hclip_jax.inference.segmentation import Segmentation

RNG = np.random.default_rng(0)
CLASS_NAMES = ("sky", "grass, lawn", "cat", "absent")


def segmentation(ids: np.ndarray, class_names: tuple[str, ...] = CLASS_NAMES) -> Segmentation:
    image = RNG.integers(0, 256, (*ids.shape, 3), dtype=np.uint8)
    confidence = RNG.random(ids.shape, np.float32)
    return Segmentation(image, class_names, ids, confidence, lambda: np.ones((len(class_names), *ids.shape)))


def test_the_summary_adds_up() -> None:
    result = segmentation(RNG.integers(IGNORE, 3, (30, 50), dtype=np.int32))
    summary = result.summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert (summary["height"], summary["width"]) == (30, 50)
    rows = summary["classes"]
    assert [row["id"] for row in rows] == [0, 1, 2, 3]
    assert tuple(row["name"] for row in rows) == CLASS_NAMES
    unknown = (result.ids == IGNORE).sum()
    assert unknown > 0
    assert sum(row["pixels"] for row in rows) == 30 * 50 - unknown
    assert sum(row["area"] for row in rows) + summary["unknown_area"] == pytest.approx(1)
    for row in rows[:3]:
        mask = result.ids == row["id"]
        assert row["pixels"] == mask.sum()
        assert row["area"] == pytest.approx(mask.mean())
        assert row["mean_probability"] == pytest.approx(result.confidence[mask].mean(), rel=1e-5)
    assert rows[3] == {"id": 3, "name": "absent", "pixels": 0, "area": 0.0, "mean_probability": None}


@pytest.mark.parametrize(("value", "unknown"), [(IGNORE, 1.0), (2, 0.0)])
def test_the_summary_of_a_constant_label_map(value: int, unknown: float) -> None:
    summary = segmentation(np.full((4, 6), value, np.int32)).summary()
    assert summary["unknown_area"] == unknown
    assert sum(row["area"] for row in summary["classes"]) == 1 - unknown


def test_the_summary_does_not_depend_on_the_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    result = segmentation(RNG.integers(IGNORE, 3, (30, 50), dtype=np.int8))
    expected = result.summary()
    monkeypatch.setattr(bands, "BAND_PIXELS", 70)
    for row, row_expected in zip(result.summary()["classes"], expected["classes"], strict=True):
        assert row == pytest.approx(row_expected)


def test_more_classes_than_a_label_image_holds_are_refused() -> None:
    result = segmentation(np.array([[IGNORE, 65533]]), tuple(map(str, range(65534))))
    assert np.asarray(result.label_image()).tolist() == [[65535, 65533]]
    with pytest.raises(
        UserError, match="there are 65,535 classes, but a label image of 16 bits holds at most 65,534"
    ):
        segmentation(result.ids, tuple(map(str, range(65535)))).label_image()


@pytest.mark.parametrize(
    ("count", "dtype", "unknown"), [(1, np.uint8, 255), (255, np.uint8, 255), (256, np.uint16, 65535)]
)
def test_label_images_hold_every_id_and_unknown(count: int, dtype: type, unknown: int) -> None:
    ids = np.append(np.arange(count), IGNORE).astype(np.int32)[None].repeat(2, axis=0)
    result = segmentation(ids, tuple(f"thing {t}" for t in range(count)))
    stored = np.asarray(result.label_image())
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, np.append(np.arange(count), unknown)[None].repeat(2, axis=0))


@pytest.mark.parametrize("count", [1, 3, 17, 255])
def test_label_images_keep_ids_and_show_colours_in_a_file(count: int) -> None:
    ids = np.append(np.arange(count), IGNORE).astype(np.int32)[None]
    names = tuple(f"thing {t}" for t in range(count))
    buffer = io.BytesIO()
    segmentation(ids, names).label_image().save(buffer, "PNG")
    with Image.open(buffer) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), np.append(np.arange(count), 255)[None])
        colours = np.asarray(image.convert("RGB"))[0]
    np.testing.assert_array_equal(colours, [*class_colours(names), [255, 255, 255]])


@pytest.mark.parametrize("shape", [(600, 800), (800, 600), (1, 1)])
def test_the_overlay_has_the_whole_image_and_a_legend(shape: tuple[int, int]) -> None:
    result = segmentation(np.full(shape, 1, np.int32))
    factor = max(1, -(-480 // max(shape)))
    sheet = result.overlay(opacity=1.0)
    assert isinstance(sheet, Image.Image)
    assert sheet.width > shape[1] * factor
    assert sheet.height > shape[0] * factor


def test_the_overlay_names_unknown_pixels() -> None:
    result = segmentation(np.zeros((480, 640), np.int32))
    assert result.overlay() == overlay(result.image, result.ids, CLASS_NAMES, unknown="unknown")
    result.ids[:100] = IGNORE
    assert result.overlay() == overlay(result.image, result.ids, CLASS_NAMES, unknown="unknown")
    assert result.overlay() != overlay(result.image, result.ids, CLASS_NAMES)


def test_probabilities_are_computed_once_and_only_on_access() -> None:
    calls = []
    ids = np.zeros((2, 3), np.int32)

    def compute() -> np.ndarray:
        calls.append(1)
        return np.zeros((4, 2, 3), np.float32)

    image, confidence = np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3), np.float32)
    result = Segmentation(image, CLASS_NAMES, ids, confidence, compute)
    assert not calls
    assert result.probabilities is result.probabilities
    assert len(calls) == 1


def test_the_representation_is_a_line_with_the_largest_classes() -> None:
    ids = np.zeros((10, 100), np.int32)
    ids[0] = IGNORE
    ids[1, :25] = 1
    ids[1, 25] = 2
    assert repr(segmentation(ids)) == (
        "Segmentation(100 x 10 pixels: sky 87.4 %, grass, lawn 2.5 %, cat 0.1 %, unknown 10.0 %)"
    )
    assert repr(segmentation(np.full((2, 3), 2, np.int8))) == "Segmentation(3 x 2 pixels: cat 100.0 %)"
    many = segmentation(np.arange(10, dtype=np.int32)[None], tuple(f"class\n{t}" for t in range(10)))
    assert repr(many).endswith("class\\n7 10.0 %, +2 more)")


def test_a_notebook_shows_the_overlay_with_its_legend() -> None:
    small = segmentation(RNG.integers(IGNORE, 3, (30, 50), dtype=np.int32))
    with Image.open(io.BytesIO(small._repr_png_())) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), np.asarray(small.overlay()))
    large = segmentation(np.zeros((1500, 2000), np.int32))
    with Image.open(io.BytesIO(large._repr_png_())) as image:
        assert max(image.size) == 1024
