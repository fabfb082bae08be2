"""The result of a Segmenter does not depend on the form of the image or of the class names."""

from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import ExifTags, Image

from hclip_jax import Model, Segmentation, Segmenter
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.inference import predictor as predictor_module
from hclip_jax.inference import segment_images
from hclip_jax.inference.tiles import split_into_tiles
from hclip_jax.io import cache
from hclip_jax.segmenter import ImageLike, as_rgb
from hclip_jax.text.prompts import Prompts
from tests import tolerance, trained
from tests.small_models import micro
from tests.trained import CLASS_NAMES, RGB


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return trained.segmenter()


def assert_equal(a: Segmentation, b: Segmentation) -> None:
    assert a.class_names == b.class_names
    for field in ("image", "ids", "confidence", "probabilities"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def check_consistency(result: Segmentation) -> None:
    """Checks that ids and confidence agree with the probabilities and that no pixel is unknown."""
    height, width = result.image.shape[:2]
    assert result.ids.shape == result.confidence.shape == (height, width)
    assert result.ids.dtype == np.int32
    assert result.confidence.dtype == result.probabilities.dtype == np.float32
    assert result.probabilities.shape == (len(result.class_names), height, width)
    chosen = np.take_along_axis(result.probabilities, result.ids[None], axis=0)[0]
    tolerance.assert_within(chosen, result.probabilities.max(axis=0), 1e-6)
    tolerance.assert_within(result.confidence, result.probabilities.max(axis=0), 1e-6)


# Images


def test_paths_pil_images_and_arrays_give_one_result(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(RGB).save(path)
    result = segmenter(RGB, CLASS_NAMES)
    np.testing.assert_array_equal(result.image, RGB)
    check_consistency(result)
    for given in (path, str(path), Image.fromarray(RGB)):
        assert_equal(segmenter(given, CLASS_NAMES), result)
    assert_equal(segmenter(path, list(CLASS_NAMES)), result)


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
def test_every_kind_of_image(
    segmenter: Segmenter, given: Image.Image | np.ndarray, expected: np.ndarray
) -> None:
    result = segmenter(given, CLASS_NAMES, fast=True)
    np.testing.assert_array_equal(result.image, expected)
    check_consistency(result)
    assert_equal(result, segmenter(expected, CLASS_NAMES, fast=True))


def test_a_file_with_exif_orientation(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "rotated.png"
    Image.fromarray(RGB).save(path, exif=rotated(Image.fromarray(RGB), 8).getexif())
    assert segmenter(path, CLASS_NAMES, fast=True).ids.shape == (56, 40)


def test_a_large_image(segmenter: Segmenter) -> None:
    large = np.repeat(np.repeat(RGB, 50, axis=0), 54, axis=1)[:2000, :3000]
    result = segmenter(large, CLASS_NAMES[:2], fast=True)
    assert result.ids.shape == (2000, 3000)
    check_consistency(result)
    # The large image is the small one enlarged, so the probabilities are nearly the same.
    small = segmenter(np.ascontiguousarray(RGB), CLASS_NAMES[:2], fast=True)
    assert np.abs(result.probabilities[:, 25::50, 27::54] - small.probabilities).mean() < 0.02


def test_each_tile_is_segmented_as_an_image_of_its_own(segmenter: Segmenter) -> None:
    image = np.tile(RGB, (3, 2, 1))[:100, :110]
    tiled = segmenter(image, CLASS_NAMES, fast=True, tile=64, threshold=0.45)
    assert 0 < (tiled.ids == IGNORE).mean() < 1
    source, kept, kept_in_tile = split_into_tiles((100, 110), 64)[3]
    alone = segmenter(image[source], CLASS_NAMES, fast=True, threshold=0.45)
    np.testing.assert_array_equal(tiled.ids[kept], alone.ids[kept_in_tile])
    np.testing.assert_array_equal(tiled.confidence[kept], alone.confidence[kept_in_tile])
    probabilities = alone.probabilities[(slice(None), *kept_in_tile)]
    np.testing.assert_array_equal(tiled.probabilities[(slice(None), *kept)], probabilities)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RGB.astype(np.float32) / 255, r"the image is an array float32 \(40, 56, 3\); give uint8"),
        (RGB[..., :2], r"\(40, 56, 2\)"),
        (RGB[None], r"\(1, 40, 56, 3\)"),
        (RGB[0, :, 0], r"\(56,\)"),
        (RGB[:0], r"\(0, 56, 3\)"),
        ("missing.png", "missing.png does not exist"),
        (Image.new("F", (2, 2)), "the image has the mode F"),
    ],
)
def test_wrong_images_are_refused(image: ImageLike, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_rgb(image)


# Class names


def test_the_default_class_names_are_those_of_the_training(segmenter: Segmenter) -> None:
    result = segmenter(RGB, fast=True)
    assert result.class_names == segmenter.class_names == trained.CLASSES
    assert_equal(result, segmenter(RGB, trained.CLASSES, fast=True))


def test_ids_follow_the_order_of_the_class_names(segmenter: Segmenter) -> None:
    plain = segmenter(RGB, CLASS_NAMES, fast=True).probabilities
    reverse = segmenter(RGB, CLASS_NAMES[::-1], fast=True)
    assert reverse.class_names == CLASS_NAMES[::-1]
    tolerance.assert_within(reverse.probabilities[::-1], plain, 1e-5)
    assert np.abs(plain[0] - plain[2]).max() > 1e-3


def test_pixels_below_the_threshold_are_unknown(segmenter: Segmenter) -> None:
    plain = segmenter(RGB, CLASS_NAMES)
    threshold = float(np.median(plain.confidence))
    result = segmenter(RGB, CLASS_NAMES, threshold=threshold)
    below = plain.confidence < threshold
    assert 0.4 < below.mean() < 0.6
    np.testing.assert_array_equal(result.ids, np.where(below, IGNORE, plain.ids))
    np.testing.assert_array_equal(result.confidence, plain.confidence)
    assert result.summary()["unknown_area"] == pytest.approx(below.mean())
    assert (segmenter(RGB, CLASS_NAMES, threshold=1).ids == IGNORE).all()


def test_the_background_has_the_probability_of_its_most_probable_name(segmenter: Segmenter) -> None:
    every = segmenter(RGB, (*CLASS_NAMES, "floor", "sea, water")).probabilities
    result = segmenter(RGB, CLASS_NAMES, background=["floor", "sea, water"])
    assert result.class_names == (*CLASS_NAMES, "background")
    check_consistency(result)
    tolerance.assert_within(result.probabilities, np.stack([*every[:3], every[3:].max(axis=0)]), 1e-6)
    assert 0 < (result.ids == 3).mean() < 1


def test_max_gives_the_probability_of_the_most_probable_synonym(segmenter: Segmenter) -> None:
    every = segmenter(RGB, ["cat", "road", "street", "red wall"]).probabilities
    result = segmenter(RGB, CLASS_NAMES, synonyms="max")
    assert result.class_names == CLASS_NAMES
    check_consistency(result)
    tolerance.assert_within(
        result.probabilities, np.stack([every[0], every[1:3].max(axis=0), every[3]]), 1e-6
    )
    first = segmenter(RGB, CLASS_NAMES).probabilities
    assert np.abs(result.probabilities - first).max() > 1e-4


def test_the_default_for_synonyms_is_that_of_the_training(segmenter: Segmenter) -> None:
    averaging = trained.segmenter("mean")
    assert_equal(
        averaging(RGB, CLASS_NAMES, fast=True), segmenter(RGB, CLASS_NAMES, fast=True, synonyms="mean")
    )
    assert_equal(
        averaging(RGB, CLASS_NAMES, fast=True, synonyms="first"), segmenter(RGB, CLASS_NAMES, fast=True)
    )
    first, mean = (s(RGB, CLASS_NAMES, fast=True).probabilities for s in (segmenter, averaging))
    assert np.abs(first - mean).max() > 1e-4


def test_prompts_are_encoded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[int] = []
    encode = predictor_module._encode_text

    def counting(model: Model, clip: dict, prompts: Prompts) -> jax.Array:
        class_prompts = prompts.num_classes * prompts.num_templates
        calls.append(sum(s < class_prompts for s in set(np.asarray(prompts.segment_ids).tolist())))
        return encode(model, clip, prompts)

    monkeypatch.setattr(predictor_module, "_encode_text", counting)
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    segmenter = trained.segmenter()
    for image in (RGB, RGB[::-1], RGB[:9, :9]):
        segmenter(image, CLASS_NAMES, fast=True)
        segmenter(image, list(CLASS_NAMES), fast=True, threshold=0.5)
        segmenter.patch_features(image, CLASS_NAMES)
    assert calls == [3]
    segmenter(RGB, CLASS_NAMES[:2], fast=True)
    segmenter(RGB, CLASS_NAMES, fast=True)
    assert calls == [3, 2]

    cached = trained.segmenter()  # shares only the cache on disk, like another process
    assert_equal(cached(RGB, CLASS_NAMES, fast=True), segmenter(RGB, CLASS_NAMES, fast=True))
    assert calls == [3, 2]
    trained.segmenter("mean")(RGB, CLASS_NAMES, fast=True)  # other prompts
    assert calls == [3, 2, 3]


@pytest.mark.parametrize("fast", [True, False])
def test_many_gives_the_results_of_single_calls(segmenter: Segmenter, fast: bool) -> None:
    images = [RGB, RGB[::-1], RGB[:20, :9], RGB[:, ::-1], RGB]
    results = list(segmenter.many(iter(images), CLASS_NAMES, batch_size=2, threshold=0.4, fast=fast))
    assert len(results) == len(images)
    for result, image in zip(results, images, strict=True):
        alone = segmenter(image, CLASS_NAMES, threshold=0.4, fast=fast)
        np.testing.assert_array_equal(result.image, alone.image)
        assert (result.ids == alone.ids).mean() > 0.999
        tolerance.assert_within(result.confidence, alone.confidence, 1e-5)
        tolerance.assert_within(result.probabilities, alone.probabilities, 1e-5)


def test_many_reads_images_lazily(segmenter: Segmenter) -> None:
    def images() -> Iterator[np.ndarray]:
        yield from (RGB, RGB)
        raise AssertionError("read too early")

    results = segmenter.many(images(), CLASS_NAMES, batch_size=2, fast=True)
    assert [next(results).ids.shape for _ in range(2)] == [RGB.shape[:2]] * 2
    with pytest.raises(UserError, match="batch_size is 0; it must be 1 or more"):
        segmenter.many([RGB], CLASS_NAMES, batch_size=0)


@pytest.mark.parametrize(
    ("class_names", "options", "message"),
    [
        (CLASS_NAMES, {"threshold": 1.5}, "threshold is 1.5; it must be a probability, from 0 to 1"),
        (CLASS_NAMES, {"threshold": float("nan")}, "threshold is nan"),
        (("cat", "cat"), {}, "name 1 and name 2 are both 'cat'"),
        (
            CLASS_NAMES,
            {"background": ["sea", "sea"]},
            "the background list: name 1 and name 2 are both 'sea'",
        ),
        (CLASS_NAMES, {"synonyms": "best"}, "synonyms is 'best'"),
        (CLASS_NAMES, {"tile": 63}, "tile is 63; it must be 64 pixels or more, or 0"),
        (CLASS_NAMES, {"max_megapixels": 0}, "max_megapixels is 0; it must be more than 0"),
        (("cat " * 80,), {}, "at most 77 fit"),
        ("cat", {}, "is the text 'cat': give a list of names"),
    ],
)
def test_wrong_class_names_and_options_are_refused(
    segmenter: Segmenter, class_names: tuple[str, ...], options: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        segmenter(RGB, class_names, **options)


def test_class_names_are_required_if_the_training_has_none() -> None:
    config = micro()
    segmenter = Segmenter(Model(config.architecture), trained.params(), config.protocol)
    with pytest.raises(UserError, match="no class names are given, and the model has none"):
        segmenter(RGB)


def test_probabilities_that_need_too_much_memory_are_refused(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_images, "_MAX_PROBABILITY_BYTES", 4 * 3 * 40 * 56)
    assert segmenter(RGB, CLASS_NAMES, fast=True).probabilities.shape == (3, 40, 56)
    result = segmenter(RGB, [*CLASS_NAMES, "sea"], fast=True)
    assert result.summary()["unknown_area"] == 0  # the other results do not depend on them
    with pytest.raises(UserError, match="probabilities of 4 names at 56 x 40 pixels take"):
        _ = result.probabilities
