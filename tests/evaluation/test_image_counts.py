import io
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.evaluation import image_counts
from hclip_jax.evaluation.image_counts import (
    ImageCounts,
    from_bytes,
    image_miou,
    interleave,
    read_counts,
    to_bytes,
    write_counts,
)
from tests.evaluation.counts import make_counts, take


def assert_equal(one: ImageCounts, other: ImageCounts) -> None:
    assert one.class_names == other.class_names
    assert one.image_names == other.image_names
    for name in ("intersection", "truth", "prediction"):
        array = getattr(other, name)
        assert array.dtype == np.uint32
        np.testing.assert_array_equal(getattr(one, name), array)


def test_a_file_holds_the_counts_and_needs_no_pickle(tmp_path: Path) -> None:
    rows = [np.array([[1, 0], [3, 2], [2, 3]]), np.array([[0, 4], [0, 4], [0, 4]])]
    counts = ImageCounts.from_rows(["cat, kitten", "日本語"], ["b", "a"], rows)
    write_counts(tmp_path / "val.npz", counts)
    assert_equal(read_counts(tmp_path / "val.npz"), counts)
    with np.load(tmp_path / "val.npz", allow_pickle=False) as arrays:
        assert arrays["class_names"].tolist() == ["cat, kitten", "日本語"]
        assert arrays["truth"].tolist() == [[3, 2], [0, 4]]
        assert arrays["prediction"].tolist() == [[2, 3], [0, 4]]


def test_an_evaluation_of_no_images_can_be_stored() -> None:
    empty = ImageCounts.from_rows(["cat"], [], [])
    assert empty.truth.shape == (0, 1)
    assert_equal(from_bytes(to_bytes(empty), "x"), empty)


def test_equal_counts_make_equal_files_that_are_small() -> None:
    counts = make_counts(np.random.default_rng(0), 300, 200)
    assert to_bytes(counts) == to_bytes(counts)
    assert len(to_bytes(counts)) < counts.truth.nbytes / 10


@pytest.mark.parametrize(("num_images", "num_parts"), [(7, 3), (6, 3), (2, 3), (0, 2), (5, 1)])
def test_parts_of_several_processes_are_joined_in_the_order_of_the_set(
    num_images: int, num_parts: int
) -> None:
    whole = make_counts(np.random.default_rng(0), num_images, 4)
    parts = [take(whole, np.arange(k, num_images, num_parts)) for k in range(num_parts)]
    assert_equal(interleave(parts), whole)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def fields(**changes: np.ndarray) -> dict[str, np.ndarray]:
    one = np.ones((1, 2), np.uint32)
    names = {"class_names": np.array(["a", "b"]), "image_names": np.array(["i"])}
    return {"intersection": one, "truth": one, "prediction": one, **names, **changes}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"not a zip", "zip"),
        (to_bytes(make_counts(np.random.default_rng(0), 3, 2))[:-30], "zip"),
        (npz(probabilities=np.ones(2)), "class_names"),
        (npz(**fields(class_names=np.array(["a", None], object))), "allow_pickle"),
        (npz(**fields(class_names=np.array([1, 2]))), "names are no text"),
        (npz(**fields(class_names=np.array(["a"]))), r"not uint32 \[1, 1\]"),
        (npz(**fields(truth=np.ones((1, 2), np.int64))), "not uint32"),
        (npz(**fields(intersection=np.full((1, 2), 2, np.uint32))), "contradict"),
        (npz(**fields(truth=np.full((1, 2), 2, np.uint32))), "contradict"),
    ],
)
def test_other_content_is_refused(content: bytes, found: str, tmp_path: Path) -> None:
    path = tmp_path / "val.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=found) as refused:
        read_counts(path)
    message = str(refused.value)
    assert message.startswith(f"{path} does not hold the pixel counts of an evaluation (")
    assert message.endswith("; evaluate again with hclip evaluate")
    assert message.isprintable()


def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_counts, "MAX_BYTES", 100)
    write_counts(tmp_path / "val.npz", make_counts(np.random.default_rng(0), 3, 2))
    with pytest.raises(UserError, match="does not hold the pixel counts"):
        read_counts(tmp_path / "val.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"val\.npz does not exist; evaluate with hclip evaluate"):
        read_counts(tmp_path / "val.npz")


def test_the_miou_of_each_image() -> None:
    rows = [
        np.array([[2, 0], [4, 0], [3, 1]]),  # class 1 is predicted, but is not there
        np.array([[1, 1], [2, 2], [2, 2]]),
        np.zeros((3, 2), np.int64),  # no labelled pixel
    ]
    miou = image_miou(ImageCounts.from_rows(("a", "b"), ("1", "2", "3"), rows))
    np.testing.assert_allclose(miou, [40, 100 / 3, np.nan])
