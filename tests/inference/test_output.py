"""Class ids agree with the probabilities, whatever the size of chunks and blocks."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.errors import UserError
from hclip_jax.inference import blocks, output
from hclip_jax.inference.output import chunk_size, empty_prediction, most_probable, probabilities
from hclip_jax.inference.sliding_window import merge_views
from hclip_jax.models.head.cost_volume import ABSENT_LOGIT
from hclip_jax.ops import resize
from tests import tolerance

SIZE = (270, 520)  # 2 x 3 blocks
every_protocol = pytest.mark.parametrize("kind", ["sliding", "single"])


def protocol(kind: Any) -> InferenceProtocol:
    return InferenceProtocol(
        kind, pooling=1, shortest_edge=48, longest_edge=96, canvas_size=48, crop_size=32, stride=16
    )


def random_logits(num_classes: int = 7) -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).normal(size=(5, num_classes, 16, 16)), jnp.float32)


def set_chunk_size(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_MAX_VALUES", classes * blocks.BLOCK_SIZE**2)
    assert chunk_size(protocol("sliding")) == classes


@every_protocol
def test_probabilities_are_those_of_the_whole_output(kind: str) -> None:
    logits, p = random_logits(), protocol(kind)
    if kind == "single":
        merged = jax.nn.sigmoid(logits[0])
    else:
        merged = merge_views(logits, p.canvas_size, p.crop_size, p.stride)
    expected = resize.bilinear(merged, SIZE, axes=(1, 2))
    tolerance.assert_within(probabilities(p, logits, 7, SIZE), expected, 1e-6)


@every_protocol
@pytest.mark.parametrize("classes", [1, 3, 6, 7])
def test_the_chunk_size_changes_no_result(kind: str, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, p = random_logits(), protocol(kind)
    whole = probabilities(p, logits, 7, SIZE)
    set_chunk_size(classes, monkeypatch)
    monkeypatch.setattr(output, "_MAX_BLOCKS", 4)
    chunked = probabilities(p, logits, 7, SIZE)
    tolerance.assert_within(chunked, whole, 1e-6)
    prediction = most_probable(p, logits, 7, SIZE)
    tolerance.assert_within(prediction.probability, whole.max(axis=0), 1e-6)
    # Other programs compute them, so classes of nearly equal probability may be swapped.
    assert (prediction.ids == whole.argmax(axis=0)).mean() >= tolerance.ARGMAX


@every_protocol
@pytest.mark.parametrize("classes", [1, 2, 4, 7])
def test_the_first_of_equal_classes_is_chosen(
    kind: str, classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_chunk_size(classes, monkeypatch)
    for equal in ((0, 6), (1, 2, 5), (3, 4), (5, 6), (6,)):
        logits = random_logits().at[:, np.array(equal)].set(9.0)
        ids, probability = most_probable(protocol(kind), logits, 7, SIZE)
        assert (ids == equal[0]).all()
        assert (probability > 0.999).all()


@every_protocol
@pytest.mark.parametrize("selected", [(), (4,), (1, 2, 6), (0, 1, 3, 4, 5)])
def test_classes_that_no_view_selected_are_left_out(
    kind: str, selected: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_chunk_size(2, monkeypatch)
    merged = list[np.ndarray]()
    whole = output._merged

    def recording(protocol: InferenceProtocol, logits: jax.Array, ids: np.ndarray) -> jax.Array:
        merged.append(ids)
        return whole(protocol, logits, ids)

    monkeypatch.setattr(output, "_merged", recording)
    absent = np.setdiff1d(np.arange(7), selected)
    logits = random_logits().at[:, absent].set(ABSENT_LOGIT)
    # A class that one view selected is not absent.
    logits = logits.at[1:, list(selected[-1:])].set(ABSENT_LOGIT)
    ids, probability = most_probable(protocol(kind), logits, 7, SIZE)
    num_merged = len(np.unique(np.concatenate(merged)))
    expected = probabilities(protocol(kind), logits, 7, SIZE)
    assert num_merged == max(2, len(selected))
    tolerance.assert_within(probability, expected.max(axis=0), 1e-6)
    assert (ids == expected.argmax(axis=0)).mean() >= tolerance.ARGMAX


def test_probability_zero_in_all_classes_gives_class_0() -> None:
    ids, probability = most_probable(protocol("sliding"), jnp.full((5, 7, 16, 16), -1e4), 7, SIZE)
    assert not ids.any()
    assert not probability.any()


@every_protocol
def test_a_model_that_is_not_finite_is_refused(kind: str) -> None:
    logits = random_logits().at[:, :, 3].set(np.nan)
    with pytest.raises(UserError, match="not numbers"):
        most_probable(protocol(kind), logits, 7, SIZE)


@every_protocol
def test_large_images_have_narrow_results(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = most_probable(protocol(kind), random_logits(), 7, SIZE)
    monkeypatch.setattr(output, "LARGE_PIXELS", 0)
    result = most_probable(protocol(kind), random_logits(), 7, SIZE)
    assert (result.ids.dtype, result.probability.dtype) == (np.int8, np.float16)
    np.testing.assert_array_equal(result.ids, expected.ids)
    tolerance.assert_within(result.probability.astype(np.float32), expected.probability, 1e-3)


@pytest.mark.parametrize(
    ("count", "dtype"), [(1, np.int8), (128, np.int8), (129, np.int16), (40_000, np.int32)]
)
def test_the_narrowest_dtype_holds_all_ids(count: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    assert empty_prediction((2, 3), count).ids.dtype == np.int32
    monkeypatch.setattr(output, "LARGE_PIXELS", 5)
    assert empty_prediction((2, 3), count).ids.dtype == dtype


def test_no_program_depends_on_the_size_of_the_output() -> None:
    programs: list[Any] = [output._merged, output._better, output._resized]
    logits, p = random_logits(), protocol("sliding")
    most_probable(p, logits, 7, (1, 1))
    probabilities(p, logits, 7, (1, 1))
    sizes = [program._cache_size() for program in programs]
    for size in (SIZE, (3, 700), (256, 257)):
        most_probable(p, logits, 7, size)
        probabilities(p, logits, 7, size)
    assert [program._cache_size() for program in programs] == sizes


@every_protocol
def test_memory_does_not_grow_with_the_classes(kind: Any) -> None:
    published = replace(
        protocol(kind), shortest_edge=640, longest_edge=2560, canvas_size=640, crop_size=384, stride=256
    )
    program: Any = output._merged

    def temporary_bytes(num_classes: int) -> int:
        logits = jax.ShapeDtypeStruct((5, num_classes, 96, 96), np.float32)
        ids = jax.ShapeDtypeStruct((chunk_size(published),), np.int32)
        lowered = program.lower(published, logits, ids)
        analysis = lowered.compile().memory_analysis()
        return analysis.temp_size_in_bytes + analysis.output_size_in_bytes

    assert temporary_bytes(1000) < 1.01 * temporary_bytes(100)
    assert temporary_bytes(1000) < 1000 * 640 * 640 * 4 / 8
