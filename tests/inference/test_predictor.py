"""Class ids agree with the probabilities, whatever the number of classes in a chunk."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.config.adapters import TARGETS
from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.config.validate import from_config_dict
from hclip_jax.inference import output
from hclip_jax.inference.blocks import BLOCK_SIZE
from hclip_jax.inference.output import Prediction
from hclip_jax.inference.predictor import Predictor, fold_adapters, segment_views
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.io import cache
from hclip_jax.models.hclip import Model
from hclip_jax.models.head.cost_volume import ABSENT_LOGIT
from hclip_jax.models.params import Params
from hclip_jax.ops import backend
from hclip_jax.sharding import make_mesh
from hclip_jax.training.init import initial_params
from tests import tolerance, trained
from tests.small_models import MINI_CLASSES, micro, micro_dict

# The canvas is 48 x 48: output sizes below and above it, in both orientations.
SIZES = [(20, 36), (130, 60), (60, 130), (128, 129), (1, 1)]
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]

every_protocol = pytest.mark.parametrize("kind", ["sliding", "single"])


@pytest.fixture(scope="module")
def params() -> Params:
    config = micro()
    return jax.device_get(initial_params(Model(config.architecture), config.seed, make_mesh(1)))


def protocol(kind: str) -> InferenceProtocol:
    c = micro_dict()
    c.evaluation.protocol = kind
    return from_config_dict(c).protocol


def make_predictor(
    params: Params, kind: str, class_names: Sequence[str] = MINI_CLASSES, devices: int = 1, **options: Any
) -> Predictor:
    model = Model(micro().architecture)
    prompts, mesh = model.prompts(class_names), make_mesh(devices)
    return Predictor(model, params, prompts, mesh, protocol(kind), **options)


def predict(predictor: Predictor, which: slice = slice(None)) -> list[tuple[Prediction, np.ndarray]]:
    """Prediction and probabilities of each image."""
    arguments = IMAGES[which], SIZES[which]
    return list(zip(predictor.segment(*arguments), predictor.probabilities(*arguments), strict=True))


@pytest.mark.parametrize("max_classes", [pytest.param(256, marks=pytest.mark.slow), 5])
def test_devices_may_share_the_classes_of_an_image(params: Params, max_classes: int) -> None:
    """Of 8 devices, 2 images have 4 each: 7 classes among 4, or the 5 that are selected."""
    a = micro().architecture
    model = Model(replace(a, head=replace(a.head, max_classes=max_classes)))
    one, shared = (
        Predictor(model, params, model.prompts(MINI_CLASSES), mesh, protocol("sliding")).logits(IMAGES[:2])
        for mesh in (make_mesh(1), make_mesh(8, batch_size=2))
    )
    tolerance.assert_within(shared, one, 1e-4)


@pytest.mark.parametrize("devices", [1, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("num_classes", "max_classes"),
    [
        pytest.param(6, 256, marks=pytest.mark.slow),
        (9, 7),
        pytest.param(6, 7, marks=pytest.mark.slow),
        pytest.param(1, 256, marks=pytest.mark.slow),
        pytest.param(9, 256, marks=pytest.mark.slow),
    ],
)
def test_padded_classes_take_part_in_nothing(
    params: Params, num_classes: int, max_classes: int, devices: int
) -> None:
    a = micro().architecture
    model = Model(replace(a, head=replace(a.head, max_classes=max_classes)))
    prompts = model.prompts([f"thing {t}" for t in range(num_classes)])
    mesh = make_mesh(devices, batch_size=2)
    plain, padded = (
        Predictor(model, params, prompts, mesh, protocol("sliding"), pad=pad) for pad in (False, True)
    )
    assert len(padded.text) > padded.num_classes == num_classes
    expected = plain.logits(IMAGES[:2])
    logits = padded.logits(IMAGES[:2])
    tolerance.assert_within(logits[:, :, :num_classes], expected, 1e-4)
    assert (np.asarray(logits[:, :, num_classes:]) == ABSENT_LOGIT).all()
    results = [p.probabilities(IMAGES[:2], SIZES[:2]) for p in (plain, padded)]
    for whole, part in zip(*results, strict=True):
        assert whole.shape == part.shape
        tolerance.assert_within(part, whole, 1e-6)


def test_weights_that_the_adapters_leave_are_not_copied() -> None:
    params = jax.tree.map(jax.numpy.asarray, trained.params())
    model = Model(micro().architecture)
    folded = fold_adapters(model, params)
    jax.tree.map(np.testing.assert_array_equal, folded, jax.jit(model.adapt)(params))
    same = jax.tree.map(lambda new, old: new is old, folded, params["clip"])
    for tower in ("text", "image"):
        attention = same[tower]["blocks"].pop("attention")
        assert not any(attention[target]["kernel"] for target in TARGETS)
    assert all(jax.tree.leaves(same))


def test_lists_of_similar_lengths_share_programs(params: Params) -> None:
    program: Any = segment_views
    make_predictor(params, "single", MINI_CLASSES[:3], pad=True).segment(IMAGES[:1], SIZES[:1])
    count = program._cache_size()
    for size in (1, 5, 7):
        (prediction,) = make_predictor(params, "single", MINI_CLASSES[:size], pad=True).segment(
            IMAGES[:1], SIZES[:1]
        )
        assert prediction.ids.max() < size
    assert program._cache_size() == count


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


@pytest.mark.parametrize("devices", [1, 8])
def test_on_a_cpu_a_device_has_one_image_at_a_time(
    params: Params, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is that of the whole batch, which other devices compute; so are programs of batches."""
    predictor = make_predictor(params, "sliding", devices=devices)
    with backend.compiled_for("tpu"):
        together = predictor.segment(IMAGES, SIZES)
    sizes = list[int]()
    logits = predictor._logits
    monkeypatch.setattr(predictor, "_logits", lambda images: [sizes.append(len(images)), logits(images)][1])
    one_by_one = predictor.segment(IMAGES, SIZES[:3])  # the others only fill up the batch
    assert sizes == ([1, 1, 1] if devices == 1 else [5])
    for one, other in zip(one_by_one, together, strict=False):
        tolerance.assert_within(one.probability, other.probability, 1e-5)
        assert (one.ids == other.ids).mean() >= tolerance.ARGMAX


def test_the_output_size_is_free(params: Params) -> None:
    predictor = make_predictor(params, "single")
    (small,) = predictor.probabilities(IMAGES[1:2], [(40, 32)])
    (large,) = predictor.probabilities(IMAGES[1:2], [(120, 96)])
    # At three times the size, every third sample from the second on has the position of a sample of `small`.
    tolerance.assert_within(large[:, 1::3, 1::3], small, 1e-5)


@every_protocol
def test_more_classes_than_max_classes(params: Params, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class_names = [f"thing {t}" for t in range(300)]
    assert micro().head.max_classes == 256
    monkeypatch.setattr(output, "_MAX_VALUES", 64 * BLOCK_SIZE**2)
    ((prediction, probabilities),) = predict(make_predictor(params, kind, class_names), slice(1))
    assert_consistent(prediction, probabilities)
    # A class outside the 256 best of every view has no probability; the others have that of a random head.
    highest = probabilities.max(axis=(1, 2))
    absent = highest < 1 / (1 + np.exp(-ABSENT_LOGIT / 2))
    assert 0 < absent.sum() <= 300 - 256
    assert highest[~absent].min() > 0.01
    assert not absent[prediction.ids].any()


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
