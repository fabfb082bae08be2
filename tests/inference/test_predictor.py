"""Class ids agree with the probabilities, whatever the number of classes in a chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.config.validate import from_config_dict
from hclip_jax.inference import predictor as module
from hclip_jax.inference.predictor import Prediction, Predictor
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.io import cache
from hclip_jax.models.hclip import Model
from hclip_jax.models.head.cost_volume import ABSENT_LOGIT
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from hclip_jax.sharding import make_mesh
from hclip_jax.training.init import initial_params
from tests import tolerance, trained
from tests.small_models import MINI_CLASSES, micro, micro_dict

# The canvas is 48 x 48; output sizes are padded to 128: sizes below, at and above it, in both orientations.
SIZES = [(20, 36), (130, 60), (60, 130), (128, 129), (1, 1)]
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]

every_protocol = pytest.mark.parametrize("kind", ["sliding", "single"])


@pytest.fixture(scope="module")
def params() -> Params:
    config = micro()
    return jax.device_get(initial_params(Model(config.architecture), config.seed, make_mesh(1)))


@pytest.fixture
def max_values(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Restores _MAX_VALUES, which is a constant of the compiled programs, after `set_chunk_size`."""
    yield monkeypatch
    clear_programs()


def clear_programs() -> None:
    programs: list[Any] = [module._most_probable, module._resized_probabilities]
    for program in programs:
        program.clear_cache()


def set_chunk_size(classes: int, pixels: int, max_values: pytest.MonkeyPatch) -> None:
    """Sets the number of classes in a chunk for outputs of `pixels` pixels."""
    clear_programs()
    max_values.setattr(module, "_MAX_VALUES", classes * pixels)


def protocol(kind: str) -> InferenceProtocol:
    c = micro_dict()
    c.evaluation.protocol = kind
    return from_config_dict(c).protocol


def make_predictor(
    params: Params, kind: str, class_names: Sequence[str] = MINI_CLASSES, devices: int = 1
) -> Predictor:
    model = Model(micro().architecture)
    return Predictor(model, params, model.prompts(class_names), make_mesh(devices), protocol(kind))


def predict(predictor: Predictor, which: slice = slice(None)) -> list[tuple[Prediction, np.ndarray]]:
    """Prediction and probabilities of each image."""
    arguments = IMAGES[which], SIZES[which]
    return list(zip(predictor.segment(*arguments), predictor.probabilities(*arguments), strict=True))


@pytest.mark.parametrize("max_classes", [256, 5])
def test_devices_may_share_the_classes_of_an_image(params: Params, max_classes: int) -> None:
    """Of 8 devices, 2 images have 4 each: 7 classes among 4, or the 5 that are selected."""
    a = micro().architecture
    model = Model(replace(a, head=replace(a.head, max_classes=max_classes)))
    one, shared = (
        Predictor(model, params, model.prompts(MINI_CLASSES), mesh, protocol("sliding")).logits(IMAGES[:2])
        for mesh in (make_mesh(1), make_mesh(8, batch_size=2))
    )
    tolerance.assert_within(shared, one, 1e-4)


def assert_consistent(prediction: Prediction, probabilities: np.ndarray) -> None:
    """Two programs compute them, so classes of nearly equal probability may be swapped."""
    chosen = np.take_along_axis(probabilities, prediction.ids[None], axis=0)[0]
    tolerance.assert_within(chosen, probabilities.max(axis=0), 1e-6)
    tolerance.assert_within(prediction.probability, probabilities.max(axis=0), 1e-6)
    assert (prediction.ids == probabilities.argmax(axis=0)).mean() >= tolerance.ARGMAX


@pytest.mark.parametrize(("kind", "devices"), [("sliding", 1), ("single", 1), ("single", 8)])
def test_ids_and_probability_are_argmax_and_max(params: Params, kind: str, devices: int) -> None:
    results = predict(make_predictor(params, kind, devices=devices))
    for (prediction, probabilities), size in zip(results, SIZES, strict=True):
        assert probabilities.shape == (len(MINI_CLASSES), *size)
        assert prediction.ids.shape == prediction.probability.shape == size
        assert prediction.ids.dtype == np.int32
        assert prediction.probability.dtype == probabilities.dtype == np.float32
        assert probabilities.min() > 0
        assert probabilities.max() < 1
        assert size == (1, 1) or len(np.unique(prediction.ids)) == len(MINI_CLASSES)
        assert_consistent(prediction, probabilities)


@every_protocol
def test_images_of_a_batch_are_independent(params: Params, kind: str) -> None:
    predictor = make_predictor(params, kind)
    for i, (_, probabilities) in enumerate(predict(predictor)):
        (alone,) = predictor.probabilities(IMAGES[i : i + 1], SIZES[i : i + 1])
        tolerance.assert_within(alone, probabilities, 1e-5)


@every_protocol
def test_large_images_have_narrow_results(params: Params, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (expected,) = make_predictor(params, kind).segment(IMAGES[1:2], SIZES[1:2])
    monkeypatch.setattr(module, "LARGE_PIXELS", 0)
    (result,) = make_predictor(params, kind).segment(IMAGES[1:2], SIZES[1:2])
    assert (result.ids.dtype, result.probability.dtype) == (np.int8, np.float16)
    np.testing.assert_array_equal(result.ids, expected.ids)
    tolerance.assert_within(result.probability.astype(np.float32), expected.probability, 1e-3)


@pytest.mark.parametrize(
    ("count", "dtype"), [(1, np.int8), (128, np.int8), (129, np.int16), (40_000, np.int32)]
)
def test_the_narrowest_dtype_holds_all_ids(count: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.empty_prediction((2, 3), count).ids.dtype == np.int32
    monkeypatch.setattr(module, "LARGE_PIXELS", 5)
    assert module.empty_prediction((2, 3), count).ids.dtype == dtype


def test_the_output_size_is_free(params: Params) -> None:
    predictor = make_predictor(params, "single")
    (small,) = predictor.probabilities(IMAGES[1:2], [(40, 32)])
    (large,) = predictor.probabilities(IMAGES[1:2], [(120, 96)])
    # At three times the size, every third sample from the second on has the position of a sample of `small`.
    tolerance.assert_within(large[:, 1::3, 1::3], small, 1e-5)


@every_protocol
def test_the_chunk_size_changes_no_result(params: Params, kind: str, max_values: pytest.MonkeyPatch) -> None:
    predictor = make_predictor(params, kind)
    ((_, whole),) = predict(predictor, slice(1, 2))
    for chunk_size in (1, 3, 6, 7):  # of 7 classes, at 130 x 60 padded to 256 x 128
        set_chunk_size(chunk_size, 256 * 128, max_values)
        assert module._class_chunk_size(protocol(kind), *bilinear_weights(256, 128)) == chunk_size
        ((prediction, probabilities),) = predict(predictor, slice(1, 2))
        tolerance.assert_within(probabilities, whole, 1e-6)
        assert_consistent(prediction, probabilities)


def bilinear_weights(height: int, width: int) -> tuple[resize.BilinearWeights, resize.BilinearWeights]:
    return resize.bilinear_weights(height, 48), resize.bilinear_weights(width, 48)


@every_protocol
@pytest.mark.parametrize("chunk_size", [1, 2, 4, 7])
def test_the_first_of_equal_classes_is_chosen(
    kind: str, chunk_size: int, max_values: pytest.MonkeyPatch
) -> None:
    set_chunk_size(chunk_size, 64 * 80, max_values)
    for equal in ((0, 6), (1, 2, 5), (3, 4), (5, 6), (6,)):
        logits = np.random.default_rng(1).normal(size=(5, 7, 16, 16)).astype(np.float32)
        logits[:, equal] = 9.0
        ids, probability = module._most_probable(protocol(kind), logits, *bilinear_weights(64, 80))
        assert (np.asarray(ids) == equal[0]).all()
        assert (np.asarray(probability) > 0.999).all()


def test_probability_zero_in_all_classes_gives_class_0() -> None:
    logits = np.full((5, 7, 16, 16), -1e4, np.float32)
    ids, probability = module._most_probable(protocol("sliding"), logits, *bilinear_weights(64, 80))
    assert not np.asarray(ids).any()
    assert not np.asarray(probability).any()


@every_protocol
def test_more_classes_than_max_classes(params: Params, kind: str, max_values: pytest.MonkeyPatch) -> None:
    class_names = [f"thing {t}" for t in range(300)]
    assert micro().head.max_classes == 256
    set_chunk_size(64, 128 * 128, max_values)
    ((prediction, probabilities),) = predict(make_predictor(params, kind, class_names), slice(1))
    assert_consistent(prediction, probabilities)
    # A class outside the 256 best of every view has no probability; the others have that of a random head.
    highest = probabilities.max(axis=(1, 2))
    absent = highest < 1 / (1 + np.exp(-ABSENT_LOGIT / 2))
    assert 0 < absent.sum() <= 300 - 256
    assert highest[~absent].min() > 0.01
    assert not absent[prediction.ids].any()


@every_protocol
def test_memory_does_not_grow_with_the_classes(kind: Any) -> None:
    published = InferenceProtocol(
        kind, pooling=1, shortest_edge=640, longest_edge=2560, canvas_size=640, crop_size=384, stride=256
    )
    weights = [resize.bilinear_weights(640, 96 if kind == "single" else 640)] * 2

    def temporary_bytes(num_classes: int) -> int:
        logits = jax.ShapeDtypeStruct((5, num_classes, 96, 96), np.float32)
        analysis = module._most_probable.lower(published, logits, *weights).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    assert temporary_bytes(1000) < 1.01 * temporary_bytes(100)
    assert temporary_bytes(1000) < 1000 * 640 * 640 * 4 / 8


def test_class_names_and_templates_with_the_same_prompts_have_features_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    shapes = []
    for names, templates in ((("red cat", "blue cat"), ("{}",)), (("cat",), ("red {}", "blue {}"))):
        architecture = micro().architecture
        model = Model(replace(architecture, prompts=replace(architecture.prompts, templates=templates)))
        text_cache = TextCache(trained.params()["clip"]["text"])
        predictor = Predictor(
            model, trained.params(), model.prompts(names), make_mesh(1), micro().protocol, text_cache
        )
        shapes.append(predictor.text.shape[:2])
    assert shapes == [(2, 1), (1, 2)]
