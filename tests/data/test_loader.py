import json
import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.loader import TrainingBatches, evaluation_examples, train_batches
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.data.types import Example
from hclip_jax.errors import UserError


class Numbers:
    """Noisy pictures; the label of picture i is i everywhere."""

    classes = ("one",)

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Example:
        noise = np.random.default_rng(index).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return {"image": noise, "label": np.full((8, 8), index, np.int32), "name": str(index)}


def numbers(batches: TrainingBatches, count: int) -> list[int]:
    """The picture numbers of the next batches."""
    return [int(label[0, 0]) for _ in range(count) for label in next(batches)["label"]]


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(left[name], right[name]) for name in ("image", "label"))


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_every_epoch_shows_every_picture_once(count: int) -> None:
    batches = train_batches(Numbers(count), batch=5, crop_size=8, seed=0, num_workers=0)
    stream = numbers(batches, 2 * count)
    epochs = [stream[start : start + count] for start in range(0, len(stream), count)]
    assert len(epochs) == 10
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    if count >= 7:
        assert len({tuple(epoch) for epoch in epochs}) == 10
    batches.close()


def test_a_batch_is_what_it_claims() -> None:
    with_one = train_batches(Numbers(1), batch=4, crop_size=6, seed=3, num_workers=0)
    batch = next(with_one)
    assert set(batch) == {"image", "label"}
    assert (batch["image"].shape, batch["image"].dtype) == ((4, 6, 6, 3), np.uint8)
    assert (batch["label"].shape, batch["label"].dtype) == ((4, 6, 6), np.int32)
    assert len({image.tobytes() for image in batch["image"]}) > 1  # augmented anew each time
    with_one.close()


def test_the_seed_decides() -> None:
    first, again, other = (
        next(train_batches(Numbers(9), batch=9, crop_size=8, seed=seed, num_workers=0)) for seed in (1, 1, 2)
    )
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("count", [2, 3])
def test_processes_together_see_what_one_would_see(count: int) -> None:
    alone = train_batches(Numbers(7), batch=2 * count, crop_size=8, seed=0, num_workers=0)
    parts = [
        train_batches(
            Numbers(7), batch=2, size=8, seed=0, num_workers=0, process_index=i, process_count=count
        )
        for i in range(count)
    ]
    for _ in range(9):
        whole = next(alone)
        for index, part in enumerate(parts):
            assert same(next(part), {name: whole[name][index::count] for name in whole})
    for batches in (alone, *parts):
        batches.close()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_resuming_gives_the_batches_that_would_have_followed(num_workers: int) -> None:
    source = ScenesSource("train", count=5)
    through = train_batches(source, batch_size=3, crop_size=48, seed=7, num_workers=0)
    expected = [next(through) for _ in range(7)]
    through.close()

    stopped = train_batches(source, batch_size=3, crop_size=48, seed=7, num_workers=num_workers)
    assert all(same(next(stopped), batch) for batch in expected[:4])
    state = json.loads(json.dumps(stopped.get_state()))
    next(stopped)
    stopped.set_state(state)  # back, on an iterator that has read ahead
    assert same(next(stopped), expected[4])
    stopped.close()

    resumed = train_batches(source, batch_size=3, crop_size=48, seed=7, num_workers=num_workers)
    resumed.set_state(state)
    assert resumed.get_state() == state
    following = [next(resumed) for _ in range(3)]
    assert all(same(*pair) for pair in zip(following, expected[4:], strict=True))
    assert {type(array) for batch in following for array in batch.values()} == {np.ndarray}
    resumed.close()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_closing_leaves_nothing_running(num_workers: int) -> None:
    def running() -> list[object]:
        threads = [t for t in threading.enumerate() if t.name.startswith("grain-prefetch")]
        return [*threads, *multiprocessing.active_children()]

    batches = train_batches(ScenesSource("train"), batch=1, crop_size=32, seed=0, num_workers=num_workers)
    next(batches)
    assert running()
    batches.close()
    batches.close()
    for thread in threading.enumerate():  # idle threads end on their own, soon after
        if thread.name.startswith("grain-prefetch"):
            thread.join(timeout=5)
    assert not running()
    with pytest.raises(ValueError, match="closed"):
        next(batches)


def test_no_pictures() -> None:
    with pytest.raises(UserError, match="holds no pictures"):
        train_batches(Numbers(0), batch=1, crop_size=8, seed=0, num_workers=0)


@pytest.mark.parametrize(("workers", "count", "processes"), [(0, 20, 1), (0, 7, 3), (0, 2, 3), (2, 5, 1)])
def test_evaluation_gives_every_example_once_in_order(num_workers: int, count: int, processes: int) -> None:
    source = ScenesSource("val", count=count)
    for index in range(processes):
        examples = list(
            evaluation_examples(source, num_workers=num_workers, process_index=index, process_count=processes)
        )
        expected = [source[i] for i in range(index, count, processes)]
        assert [example["name"] for example in examples] == [e["name"] for e in expected]
        for pair in zip(examples, expected, strict=True):
            assert all(np.array_equal(pair[0][key], pair[1][key]) for key in ("image", "label"))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_is_wrong_with_a_file_reaches_the_consumer(folder: Path, num_workers: int) -> None:
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
