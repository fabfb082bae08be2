"""Training batches and evaluation examples, read ahead by threads or by worker processes.

Both streams are pure functions of their arguments and the position in the stream, so they are the
same however many workers read, and the processes of a pod together see what one would have seen.
"""

import functools
from collections.abc import Iterator
from typing import Any, cast

import grain
import numpy as np
from absl import flags

from hclip_jax.data.transforms import augment
from hclip_jax.data.types import Example, Source
from hclip_jax.errors import UserError

_THREADS = 8  # decoding and resizing release the interpreter lock
_THREADS_OF_A_WORKER = 2  # one waits for the disk while the other computes


class TrainingBatches(grain.DatasetIterator[dict[str, np.ndarray]]):
    """An endless stream of batches whose state is its position.

    grain's own state lists the num_workers; this one resumes with any number of num_workers, and of
    processes too, as long as all processes together take the same number of pictures a batch.
    """

    def __init__(self, batches: grain.MapDataset, num_workers: int) -> None:
        """Starts before the first batch; threads or processes start with the first `next`."""
        super().__init__()
        self._batches = batches
        self._num_workers = num_workers
        self._position = 0
        self._reader: grain.DatasetIterator | None = None

    def __next__(self) -> dict[str, np.ndarray]:
        self._assert_not_closed()
        if self._reader is None:
            self._reader = _read_ahead(self._batches[self._position :], self._num_workers)
        batch = next(self._reader)
        self._position += 1
        return batch

    def get_state(self) -> dict[str, int]:
        """Returns the position, {"batches": how many have been given out}, ready for JSON."""
        return {"batches": self._position}

    def set_state(self, state: dict[str, int]) -> None:
        """Goes to a position; the batches that follow are bit for bit those that followed it."""
        self._stop_reading()
        self._position = state["batches"]

    def close(self) -> None:
        """Ends the threads or processes; no batches come after it."""
        self._stop_reading()
        super().close()

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def train_batches(
    source: Source,
    *,
    batch_size: int,
    crop_size: int,
    seed: int,
    num_workers: int,
    process_index: int = 0,
    process_count: int = 1,
) -> TrainingBatches:
    """Makes an endless stream of augmented batches, shuffled anew every epoch.

    Epochs follow each other without a gap: every picture comes once an epoch, a batch may hold the
    last pictures of one and the first of the next, and a data set may be smaller than a batch.

    Args:
        source: the data set.
        batch_size: images a batch, in this process.
        crop_size: pixels along each side.
        seed: decides the order and the augmentation, 0 <= seed < 2**32.
        num_workers: processes that prepare batches; 0 for threads of this process.
        process_index: which of the pod's processes this is.
        process_count: how many processes share each epoch.

    Returns:
        An iterator over image uint8 [B, crop_size, crop_size, 3] and label int32 [B, crop_size, crop_size].

    Raises:
        UserError: an empty data set; from the iterator, whatever reading a picture raises.
    """
    if len(source) == 0:
        raise UserError("the training data set holds no pictures: give at least one")
    # Everything random happens before the stream is dealt out to processes: after it, equal
    # positions in two processes would draw the same crops, and epochs would differ in length.
    pictures = (
        grain.MapDataset.source(source)
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(functools.partial(augment, crop_size=crop_size))
    )
    return TrainingBatches(
        pictures[process_index::process_count].batch(batch_size, drop_remainder=True), num_workers
    )


def evaluation_examples(
    source: Source, *, num_workers: int, process_index: int = 0, process_count: int = 1
) -> Iterator[Example]:
    """Yields every example once, in the order of the data set, as stored.

    Args:
        source: the data set.
        num_workers: processes that read; 0 for threads of this process.
        process_index: which of the pod's processes this is.
        process_count: of how many; this one gets the examples index, index + count, ...

    Raises:
        UserError: whatever reading a picture raises.
    """
    examples = _read_ahead(grain.MapDataset.source(source)[process_index::process_count], num_workers)
    try:
        yield from cast(Iterator[Example], examples)
    finally:
        examples.close()


def _read_ahead(dataset: grain.MapDataset, num_workers: int) -> grain.DatasetIterator:
    """Iterates over the data set, preparing as many elements ahead as there are threads."""
    threads = _THREADS_OF_A_WORKER if num_workers else _THREADS
    reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
    elements = dataset.to_iter_dataset(reading)
    if num_workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # grain insists, and outside the command line nobody has
        options = grain.MultiprocessingOptions(num_workers=num_workers)
        elements = elements.mp_prefetch(options).map(_copied)
    return iter(elements)


def _copied(element: dict[str, Any]) -> dict[str, Any]:
    """Copies arrays out of shared memory, which Python complains of if any is left at the end."""
    return {
        name: np.array(value) if isinstance(value, np.ndarray) else value for name, value in element.items()
    }
