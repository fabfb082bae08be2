import json
import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.loader import TrainBatches, evaluation_examples, train_batches
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError


class Numbers:
    """Images of noise; all pixels of label i are i."""

    class_names: tuple[str, ...] = ("one",)

    def __init__(self, num_images: int) -> None:
        self._num_images = num_images

    def __len__(self) -> int:
        return self._num_images

    def __getitem__(self, index: int) -> Example:
        noise = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return {"image": noise, "label": np.full((8, 8), index, np.int32), "name": str(index)}

    def digest(self) -> str:
        return ""


def next_numbers(batches: TrainBatches, num_batches: int) -> list[int]:
    """The numbers of the images of the next batches."""
    return [int(label[0, 0]) for _ in range(num_batches) for label in next(batches)["label"]]


def equal(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(left[name], right[name]) for name in ("image", "label"))


@pytest.mark.parametrize("num_images", [1, 2, 7, 12])
def test_every_epoch_holds_every_image_once(num_images: int) -> None:
    batches = train_batches(Numbers(num_images), batch_size=5, crop_size=8, seed=0, num_workers=0)
    stream = next_numbers(batches, 2 * num_images)
    epochs = [stream[start : start + num_images] for start in range(0, len(stream), num_images)]
    assert len(epochs) == 10
    assert all(sorted(epoch) == list(range(num_images)) for epoch in epochs)
    if num_images >= 7:
        assert len({tuple(epoch) for epoch in epochs}) == 10
    batches.close()


def test_shapes_and_dtypes_of_a_batch() -> None:
    batches = train_batches(Numbers(1), batch_size=4, crop_size=6, seed=3, num_workers=0)
    batch = next(batches)
    assert set(batch) == {"image", "label"}
    assert (batch["image"].shape, batch["image"].dtype) == ((4, 6, 6, 3), np.uint8)
    assert (batch["label"].shape, batch["label"].dtype) == ((4, 6, 6), np.int32)
    assert len({image.tobytes() for image in batch["image"]}) > 1  # each is augmented differently
    batches.close()


def test_batches_are_a_function_of_the_seed() -> None:
    first, again, other = (
        next(train_batches(Numbers(9), batch_size=9, crop_size=8, seed=seed, num_workers=0))
        for seed in (1, 1, 2)
    )
    assert equal(first, again)
    assert not equal(first, other)


@pytest.mark.parametrize("process_count", [2, 3])
def test_processes_share_the_stream_of_one_process(process_count: int) -> None:
    single = train_batches(Numbers(7), batch_size=2 * process_count, crop_size=8, seed=0, num_workers=0)
    shares = [
        train_batches(
            Numbers(7),
            batch_size=2,
            crop_size=8,
            seed=0,
            num_workers=0,
            process_index=index,
            process_count=process_count,
        )
        for index in range(process_count)
    ]
    for _ in range(9):
        batch = next(single)
        for index, share in enumerate(shares):
            assert equal(next(share), {name: batch[name][index::process_count] for name in batch})
    for batches in (single, *shares):
        batches.close()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_resumed_stream_equals_the_uninterrupted_stream(num_workers: int) -> None:
    source = ScenesSource("train", num_scenes=5)
    uninterrupted = train_batches(source, batch_size=3, crop_size=48, seed=7, num_workers=0)
    expected = [next(uninterrupted) for _ in range(7)]
    uninterrupted.close()

    stopped = train_batches(source, batch_size=3, crop_size=48, seed=7, num_workers=num_workers)
    assert all(equal(next(stopped), batch) for batch in expected[:4])
    state = json.loads(json.dumps(stopped.get_state()))
    next(stopped)
    stopped.set_state(state)  # backwards, on a stream that has prefetched
    assert equal(next(stopped), expected[4])
    stopped.close()

    resumed = train_batches(source, batch_size=3, crop_size=48, seed=7, num_workers=num_workers)
    resumed.set_state(state)
    assert resumed.get_state() == state
    following = [next(resumed) for _ in range(3)]
    assert all(equal(*pair) for pair in zip(following, expected[4:], strict=True))
    assert {type(array) for batch in following for array in batch.values()} == {np.ndarray}
    resumed.close()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_close_ends_threads_and_processes(num_workers: int) -> None:
    def running() -> list[object]:
        threads = [t for t in threading.enumerate() if t.name.startswith("grain-prefetch")]
        return [*threads, *multiprocessing.active_children()]

    batches = train_batches(
        ScenesSource("train"), batch_size=1, crop_size=32, seed=0, num_workers=num_workers
    )
    next(batches)
    assert running()
    batches.close()
    batches.close()
    for thread in threading.enumerate():  # idle threads end soon after
        if thread.name.startswith("grain-prefetch"):
            thread.join(timeout=5)
    assert not running()
    with pytest.raises(ValueError, match="closed"):
        next(batches)


def test_empty_data_set() -> None:
    with pytest.raises(UserError, match="holds no images"):
        train_batches(Numbers(0), batch_size=1, crop_size=8, seed=0, num_workers=0)


@pytest.mark.parametrize(
    ("num_workers", "num_scenes", "process_count"), [(0, 20, 1), (0, 7, 3), (0, 2, 3), (2, 5, 1)]
)
def test_evaluation_yields_every_example_once_in_order(
    num_workers: int, num_scenes: int, process_count: int
) -> None:
    source = ScenesSource("val", num_scenes=num_scenes)
    for index in range(process_count):
        examples = list(
            evaluation_examples(
                source, num_workers=num_workers, process_index=index, process_count=process_count
            )
        )
        expected = [source[i] for i in range(index, num_scenes, process_count)]
        assert [example["name"] for example in examples] == [e["name"] for e in expected]
        for pair in zip(examples, expected, strict=True):
            assert all(np.array_equal(pair[0][key], pair[1][key]) for key in ("image", "label"))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_errors_of_a_file_reach_the_consumer(folder: Path, num_workers: int) -> None:
    Image.fromarray(np.full((25, 25), 77, np.uint8)).save(folder / "labels/train/pet.3.png")
    Image.new("RGB", (25, 25)).save(folder / "images/train/pet.3.png")
    source = FolderSource(folder, "train")
    examples = evaluation_examples(source, num_workers=num_workers)
    assert [next(examples)["name"] for _ in range(3)] == ["pet.0", "pet.1", "pet.2"]
    batches = train_batches(source, batch_size=6, crop_size=16, seed=0, num_workers=num_workers)
    for stream in (examples, batches):
        with pytest.raises(UserError, match=r"pet\.3\.png holds the class id 77") as caught:
            next(stream)
        assert "\n" not in str(caught.value)
    batches.close()
