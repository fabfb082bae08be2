"""Class ids and probabilities agree, however many classes are looked at together."""

from collections.abc import Iterator, Sequence

import jax
import numpy as np
import pytest

from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.config.validate import from_config_dict
from hclip_jax.inference import predictor as module
from hclip_jax.inference.predictor import Prediction, Predictor
from hclip_jax.models.hclip import Model
from hclip_jax.models.head.cost_volume import ABSENT_LOGIT
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from hclip_jax.sharding import make_mesh
from hclip_jax.training.init import initial_params
from tests import tolerance
from tests.small_models import MINI_CLASSES, micro, micro_dict

# The canvas is 48 x 48, and sizes are padded to 128: smaller, larger, turned, just at and beyond 128.
SIZES = [(20, 36), (130, 60), (60, 130), (128, 129), (1, 1)]
RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]

every_protocol = pytest.mark.parametrize("kind", ["sliding", "single"])


@pytest.fixture(scope="module")
def params() -> Params:
    return jax.device_get(initial_params(micro(), make_mesh(1)))


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """To change _MOST_VALUES, which compiled programs remember, with `look_at`."""
    yield monkeypatch
    forget()


def forget() -> None:
    for program in (module._most_probable, module._sampled):
        program.clear_cache()


def look_at(classes: int, pixels: int, values: pytest.MonkeyPatch) -> None:
    """From now on that many classes are looked at together in pictures of so many pixels."""
    forget()
    values.setattr(module, "_MOST_VALUES", classes * pixels)


def protocol(kind: str) -> InferenceProtocol:
    c = micro_dict()
    c.evaluation.protocol = kind
    return from_config_dict(c).protocol


def make(params: Params, kind: str, classes: Sequence[str] = MINI_CLASSES, devices: int = 1) -> Predictor:
    return Predictor(Model(micro().architecture), params, classes, make_mesh(devices), protocol(kind))


def both(predictor: Predictor, which: slice = slice(None)) -> list[tuple[Prediction, np.ndarray]]:
    """Of each picture what is most probable, and all probabilities."""
    arguments = PICTURES[which], SIZES[which]
    found, every = predictor.segment(*arguments), predictor.probabilities(*arguments)
    return list(zip(found, every, strict=True))


def agree(found: Prediction, every: np.ndarray) -> None:
    """Two programs make them, so nearly equal classes may change places."""
    chosen = np.take_along_axis(every, found.ids[None], axis=0)[0]
    tolerance.assert_within(chosen, every.max(axis=0), 1e-6)
    tolerance.assert_within(found.probability, every.max(axis=0), 1e-6)
    assert (found.ids == every.argmax(axis=0)).mean() >= tolerance.ARGMAX


@pytest.mark.parametrize(("kind", "devices"), [("sliding", 1), ("single", 1), ("single", 8)])
def test_ids_and_probability_are_argmax_and_max(params: Params, kind: str, devices: int) -> None:
    for (found, every), size in zip(both(make(params, kind, devices=devices)), SIZES, strict=True):
        assert every.shape == (len(MINI_CLASSES), *size)
        assert found.ids.shape == found.probability.shape == size
        assert found.ids.dtype == np.int32
        assert found.probability.dtype == every.dtype == np.float32
        assert every.min() > 0
        assert every.max() < 1
        assert size == (1, 1) or len(np.unique(found.ids)) == len(MINI_CLASSES)
        agree(found, every)


@every_protocol
def test_pictures_do_not_meet(params: Params, kind: str) -> None:
    predictor = make(params, kind)
    for i, (_, every) in enumerate(both(predictor)):
        (alone,) = predictor.probabilities(PICTURES[i : i + 1], SIZES[i : i + 1])
        tolerance.assert_within(alone, every, 1e-5)


def test_another_size_than_the_pictures(params: Params) -> None:
    predictor = make(params, "single")
    (small,) = predictor.probabilities(PICTURES[1:2], [(40, 32)])
    (large,) = predictor.probabilities(PICTURES[1:2], [(120, 96)])
    # The middle one of three samples lies where the one did.
    tolerance.assert_within(large[:, 1::3, 1::3], small, 1e-5)


@every_protocol
def test_how_many_classes_at_a_time_changes_nothing(
    params: Params, kind: str, values: pytest.MonkeyPatch
) -> None:
    predictor = make(params, kind)
    ((_, whole),) = both(predictor, slice(1, 2))
    for most in (1, 3, 6, 7):  # of 7 classes, at 130 x 60 padded to 256 x 128
        look_at(most, 256 * 128, values)
        assert module._chunk(protocol(kind), *bilinear_weights(256, 128)) == most
        ((found, every),) = both(predictor, slice(1, 2))
        tolerance.assert_within(every, whole, 1e-6)
        agree(found, every)


def bilinear_weights(height: int, width: int) -> tuple[resize.BilinearWeights, resize.BilinearWeights]:
    return resize.bilinear_weights(height, 48), resize.bilinear_weights(width, 48)


@every_protocol
@pytest.mark.parametrize("most", [1, 2, 4, 7])
def test_of_equals_the_first_is_chosen(kind: str, most: int, values: pytest.MonkeyPatch) -> None:
    look_at(most, 64 * 80, values)
    for equal in ((0, 6), (1, 2, 5), (3, 4), (5, 6), (6,)):
        logits = np.random.default_rng(1).normal(size=(5, 7, 16, 16)).astype(np.float32)
        logits[:, equal] = 9.0
        ids, probability = module._most_probable(protocol(kind), logits, *bilinear_weights(64, 80))
        assert (np.asarray(ids) == equal[0]).all()
        assert (np.asarray(probability) > 0.999).all()


def test_probability_zero_is_still_an_answer() -> None:
    impossible = np.full((5, 7, 16, 16), -1e4, np.float32)
    ids, probability = module._most_probable(protocol("sliding"), impossible, *bilinear_weights(64, 80))
    assert not np.asarray(ids).any()
    assert not np.asarray(probability).any()


@every_protocol
def test_more_classes_than_the_head_has_slots(params: Params, kind: str, values: pytest.MonkeyPatch) -> None:
    classes = [f"thing {t}" for t in range(300)]
    assert micro().head.max_classes == 256
    look_at(64, 128 * 128, values)
    ((found, every),) = both(make(params, kind, classes), slice(1))
    agree(found, every)
    # A class that is in no view's 256 is nowhere; the others have what a random head gives them.
    highest = every.max(axis=(1, 2))
    absent = highest < 1 / (1 + np.exp(-ABSENT_LOGIT / 2))
    assert 0 < absent.sum() <= 300 - 256
    assert highest[~absent].min() > 0.01
    assert not absent[found.ids].any()


@every_protocol
def test_memory_does_not_grow_with_the_classes(kind: str) -> None:
    shown = InferenceProtocol(
        kind, pooling=1, shortest_edge=640, longest_edge=2560, canvas_size=640, crop_size=384, stride=256
    )
    sides = [resize.bilinear_weights(640, 96 if kind == "single" else 640)] * 2

    def temporaries(classes: int) -> int:
        logits = jax.ShapeDtypeStruct((5, classes, 96, 96), np.float32)
        program = module._most_probable.lower(shown, logits, *sides).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert temporaries(1000) < 1.01 * temporaries(100)
    assert temporaries(1000) < 1000 * 640 * 640 * 4 / 8
