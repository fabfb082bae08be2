"""Any picture and any words in: what comes out does not depend on how they were given."""

from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import ExifTags, Image

from hclip_jax import Segmentation, Segmenter
from hclip_jax import segmenter as inference
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.inference import predictor as predictor_module
from hclip_jax.io import cache
from hclip_jax.models.hclip import Model
from hclip_jax.segmenter import as_pixels
from hclip_jax.text.prompts import Prompts
from tests import tolerance, trained
from tests.small_models import micro
from tests.trained import RGB, WORDS


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return trained.segmenter()


def same(a: Segmentation, b: Segmentation) -> None:
    assert a.class_names == b.class_names
    for field in ("image", "ids", "confidence", "probabilities"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def consistent(found: Segmentation) -> None:
    """Ids and confidence are those of the probabilities; nothing is unknown."""
    height, width = found.image.shape[:2]
    assert found.ids.shape == found.confidence.shape == (height, width)
    assert found.ids.dtype == np.int32
    assert found.confidence.dtype == found.probabilities.dtype == np.float32
    assert found.probabilities.shape == (len(found.class_names), height, width)
    chosen = np.take_along_axis(found.probabilities, found.ids[None], axis=0)[0]
    tolerance.assert_within(chosen, found.probabilities.max(axis=0), 1e-6)
    tolerance.assert_within(found.confidence, found.probabilities.max(axis=0), 1e-6)


# Pictures


def test_a_path_a_picture_and_an_array_are_the_same(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(RGB).save(path)
    found = segmenter(RGB, WORDS)
    np.testing.assert_array_equal(found.image, RGB)
    consistent(found)
    for given in (path, str(path), Image.fromarray(RGB)):
        same(segmenter(given, WORDS), found)
    same(segmenter(path, list(WORDS)), found)


def rotated(image: Image.Image, orientation: int) -> Image.Image:
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return image


GREY = RGB[..., 0]
STACKED = np.stack([GREY] * 3, axis=-1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(GREY, STACKED, id="grey array"),
        pytest.param(Image.fromarray(GREY), STACKED, id="grey"),
        pytest.param(Image.fromarray(GREY.astype(np.uint16) * 257), STACKED, id="16 bit"),
        pytest.param(np.dstack([RGB, GREY]), RGB, id="RGBA array"),
        pytest.param(Image.fromarray(np.dstack([RGB, GREY])), RGB, id="RGBA"),
        pytest.param(rotated(Image.fromarray(RGB), 6), np.rot90(RGB, -1), id="EXIF"),
        pytest.param(RGB[::-1, ::2], RGB[::-1, ::2], id="strided"),
        pytest.param(RGB[:1, :1], RGB[:1, :1], id="1x1"),
        pytest.param(RGB[:1], RGB[:1], id="one row"),
    ],
)
def test_every_kind_of_picture(
    segmenter: Segmenter, given: Image.Image | np.ndarray, expected: np.ndarray
) -> None:
    found = segmenter(given, WORDS, fast=True)
    np.testing.assert_array_equal(found.image, expected)
    consistent(found)
    same(found, segmenter(expected, WORDS, fast=True))


def test_a_turned_file(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "turned.png"
    Image.fromarray(RGB).save(path, exif=rotated(Image.fromarray(RGB), 8).getexif())
    assert segmenter(path, WORDS, fast=True).ids.shape == (56, 40)


def test_a_large_picture(segmenter: Segmenter) -> None:
    large = np.repeat(np.repeat(RGB, 50, axis=0), 54, axis=1)[:2000, :3000]
    found = segmenter(large, WORDS[:2], fast=True)
    assert found.ids.shape == (2000, 3000)
    consistent(found)
    # It is the picture it was before it was enlarged.
    small = segmenter(np.ascontiguousarray(RGB), WORDS[:2], fast=True)
    assert np.abs(found.probabilities[:, 25::50, 27::54] - small.probabilities).mean() < 0.02


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RGB.astype(np.float32) / 255, r"the picture is an array float32 \(40, 56, 3\); give uint8"),
        (RGB[..., :2], r"\(40, 56, 2\)"),
        (RGB[None], r"\(1, 40, 56, 3\)"),
        (RGB[0, :, 0], r"\(56,\)"),
        (RGB[:0], r"\(0, 56, 3\)"),
        ("missing.png", "missing.png does not exist"),
        (Image.new("F", (2, 2)), "the picture has the mode F"),
    ],
)
def test_no_picture(image: inference.Picture, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_pixels(image)


# Words


def test_the_classes_it_was_trained_with_by_default(segmenter: Segmenter) -> None:
    found = segmenter(RGB, fast=True)
    assert found.class_names == segmenter.class_names == trained.CLASSES
    same(found, segmenter(RGB, trained.CLASSES, fast=True))


def test_classes_keep_their_order(segmenter: Segmenter) -> None:
    plain = segmenter(RGB, WORDS, fast=True).probabilities
    turned = segmenter(RGB, WORDS[::-1], fast=True)
    assert turned.class_names == WORDS[::-1]
    tolerance.assert_within(turned.probabilities[::-1], plain, 1e-5)
    assert np.abs(plain[0] - plain[2]).max() > 1e-3


def test_less_probable_pixels_are_unknown(segmenter: Segmenter) -> None:
    plain = segmenter(RGB, WORDS)
    threshold = float(np.median(plain.confidence))
    found = segmenter(RGB, WORDS, threshold=threshold)
    below = plain.confidence < threshold
    assert 0.4 < below.mean() < 0.6
    np.testing.assert_array_equal(found.ids, np.where(below, IGNORE, plain.ids))
    np.testing.assert_array_equal(found.confidence, plain.confidence)
    assert found.summary()["unknown_area"] == pytest.approx(below.mean())
    assert (segmenter(RGB, WORDS, threshold=1).ids == IGNORE).all()


def test_the_background_is_the_best_of_its_names(segmenter: Segmenter) -> None:
    every = segmenter(RGB, (*WORDS, "floor", "sea, water")).probabilities
    found = segmenter(RGB, WORDS, background=["floor", "sea, water"])
    assert found.class_names == (*WORDS, "background")
    consistent(found)
    tolerance.assert_within(found.probabilities, np.stack([*every[:3], every[3:].max(axis=0)]), 1e-6)
    assert 0 < (found.ids == 3).mean() < 1


def test_max_is_the_best_of_the_synonyms(segmenter: Segmenter) -> None:
    every = segmenter(RGB, ["cat", "road", "street", "red wall"]).probabilities
    found = segmenter(RGB, WORDS, synonyms="max")
    assert found.class_names == WORDS
    consistent(found)
    tolerance.assert_within(found.probabilities, np.stack([every[0], every[1:3].max(axis=0), every[3]]), 1e-6)
    first = segmenter(RGB, WORDS).probabilities
    assert np.abs(found.probabilities - first).max() > 1e-4


def test_synonyms_are_asked_as_in_training_by_default(segmenter: Segmenter) -> None:
    averaging = trained.segmenter("mean")
    same(averaging(RGB, WORDS, fast=True), segmenter(RGB, WORDS, fast=True, synonyms="mean"))
    same(averaging(RGB, WORDS, fast=True, synonyms="first"), segmenter(RGB, WORDS, fast=True))
    first, mean = (s(RGB, WORDS, fast=True).probabilities for s in (segmenter, averaging))
    assert np.abs(first - mean).max() > 1e-4


def test_words_are_encoded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[int] = []
    encode = predictor_module._encode

    def counting(model: Model, clip: dict, prompts: Prompts) -> jax.Array:
        calls.append(prompts.num_classes)
        return encode(model, clip, prompts)

    monkeypatch.setattr(predictor_module, "_encode", counting)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    segmenter = trained.segmenter()
    for picture in (RGB, RGB[::-1], RGB[:9, :9]):
        segmenter(picture, WORDS, fast=True)
        segmenter(picture, list(WORDS), fast=True, threshold=0.5)
        segmenter.patch_features(picture, WORDS)
    assert calls == [3]
    segmenter(RGB, WORDS[:2], fast=True)
    segmenter(RGB, WORDS, fast=True)
    assert calls == [3, 2]

    kept = trained.segmenter()  # as in another process
    same(kept(RGB, WORDS, fast=True), segmenter(RGB, WORDS, fast=True))
    assert calls == [3, 2]
    trained.segmenter("mean")(RGB, WORDS, fast=True)  # other sentences
    assert calls == [3, 2, 3]


@pytest.mark.parametrize("fast", [True, False])
def test_many_are_as_one_by_one(segmenter: Segmenter, fast: bool) -> None:
    pictures = [RGB, RGB[::-1], RGB[:20, :9], RGB[:, ::-1], RGB]
    together = list(segmenter.many(iter(pictures), WORDS, batch=2, threshold=0.4, fast=fast))
    assert len(together) == len(pictures)
    for found, picture in zip(together, pictures, strict=True):
        alone = segmenter(picture, WORDS, threshold=0.4, fast=fast)
        np.testing.assert_array_equal(found.image, alone.image)
        assert (found.ids == alone.ids).mean() > 0.999
        tolerance.assert_within(found.confidence, alone.confidence, 1e-5)
        tolerance.assert_within(found.probabilities, alone.probabilities, 1e-5)


def test_many_pictures_are_read_as_they_are_needed(segmenter: Segmenter) -> None:
    def pictures() -> Iterator[np.ndarray]:
        yield from (RGB, RGB)
        raise AssertionError("read too early")

    found = segmenter.many(pictures(), WORDS, batch=2, fast=True)
    assert [next(found).ids.shape for _ in range(2)] == [RGB.shape[:2]] * 2
    with pytest.raises(UserError, match="batch is 0; it must be 1 or more"):
        segmenter.many([RGB], WORDS, batch=0)


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (WORDS, {"threshold": 1.5}, "threshold is 1.5; it must be a probability, from 0 to 1"),
        (WORDS, {"threshold": float("nan")}, "threshold is nan"),
        (("cat", "cat"), {}, "name 1 and name 2 are both 'cat'"),
        (WORDS, {"background": ["sea", "sea"]}, "the background list: name 1 and name 2 are both 'sea'"),
        (WORDS, {"synonyms": "best"}, "synonyms is 'best'"),
        (("cat " * 80,), {}, "at most 77 fit"),
        ("cat", {}, "is the text 'cat': give a list of names"),
    ],
)
def test_wrong_words(segmenter: Segmenter, classes: tuple[str, ...], options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        segmenter(RGB, classes, **options)


def test_no_classes_at_all() -> None:
    config = micro()
    untold = Segmenter(config, trained.params(), config.protocol)
    with pytest.raises(UserError, match="no classes are given, and the model does not say"):
        untold(RGB)


def test_probabilities_that_would_fill_the_memory(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "_MOST_PROBABILITIES", 4 * 3 * 40 * 56)
    assert segmenter(RGB, WORDS, fast=True).probabilities.shape == (3, 40, 56)
    found = segmenter(RGB, [*WORDS, "sea"], fast=True)
    assert found.summary()["unknown_area"] == 0  # all else is there
    with pytest.raises(UserError, match="probabilities of 4 names at 56 x 40 pixels take"):
        _ = found.probabilities
