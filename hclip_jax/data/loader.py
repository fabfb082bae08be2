"""Training batches and evaluation examples, prefetched by threads or worker processes.

Both streams are pure functions of their arguments and the position in the stream: they do not depend on the
number of workers, and the processes of a pod get disjoint parts of the stream that one process would get.
"""

import functools
from collections.abc import Iterator
from typing import Any, cast

import grain
import numpy as np
from absl import flags

from hclip_jax.data.label_io import widen_label
from hclip_jax.data.transforms import augment
from hclip_jax.data.types import DecodedExample, DecodingSource, Example, Source
from hclip_jax.errors import UserError
from hclip_jax.io.worker import end_with_parent

_NUM_THREADS = 8  # decoding and resizing release the interpreter lock
_NUM_THREADS_PER_WORKER = 2  # one waits for the disk while the other computes


class TrainBatches(grain.DatasetIterator[dict[str, np.ndarray]]):
    """An endless stream of batches whose state is its position.

    The state of grain's iterator depends on the number of workers. This one can be resumed with any number of
    workers and of processes, as long as the global batch size stays the same.
    """

    def __init__(self, batches: grain.MapDataset, num_workers: int) -> None:
        """Positions the stream before the first batch; threads or processes start with the first `next`."""
        super().__init__()
        self._batches = batches
        self._num_workers = num_workers
        self._position = 0
        self._prefetched: grain.DatasetIterator | None = None

    def __next__(self) -> dict[str, np.ndarray]:
        self._assert_not_closed()
        if self._prefetched is None:
            self._prefetched = _prefetch(self._batches[self._position :], self._num_workers)
        batch = next(self._prefetched)
        self._position += 1
        if "label" in batch:  # widened here: one byte a pixel is less to copy, above all between processes
            batch["label"] = widen_label(batch["label"])
        return batch

    def get_state(self) -> dict[str, int]:
        """Returns {"batches": number of batches consumed}, which can be written as JSON."""
        return {"batches": self._position}

    def set_state(self, state: dict[str, int]) -> None:
        """Moves to a position; the following batches are bit for bit those that followed it before."""
        self._stop_prefetching()
        self._position = state["batches"]

    def close(self) -> None:
        """Ends the threads or processes; `next` raises ValueError afterwards."""
        self._stop_prefetching()
        super().close()

    def _stop_prefetching(self) -> None:
        if self._prefetched is not None:
            self._prefetched.close()
            self._prefetched = None


def train_batches(
    source: Source,
    *,
    batch_size: int,
    crop_size: int,
    seed: int,
    num_workers: int,
    rows: range | None = None,
) -> TrainBatches:
    """Makes an endless stream of augmented batches with a new order every epoch.

    Every image comes once an epoch. Epochs follow each other without a gap: a batch may hold the last images
    of one epoch and the first of the next, and a data set may be smaller than a batch.

    Args:
        source: the data set.
        batch_size: B, images a batch.
        crop_size: height and width of the augmented images, in pixels.
        seed: of the order and the augmentation, 0 <= seed < 2**32.
        num_workers: processes that prepare batches; 0 for threads of this process.
        rows: the rows of each batch to read, those that the devices of this process need; all by default.

    Returns:
        An iterator over image uint8 [B, crop_size, crop_size, 3] and label int32 [B, crop_size, crop_size],
        or over `rows` of them.

    Raises:
        UserError: the data set is empty; from the iterator, any error of `source[index]`.
    """
    if len(source) == 0:
        raise UserError("the training data set holds no images: give at least one")
    # All random steps come before the rows are taken: they are those that a single process reads.
    examples = (
        grain.MapDataset.source(_Decoded(source))
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(functools.partial(augment, crop_size=crop_size))
    )
    rows = range(batch_size) if rows is None else rows
    batches = _RowsOfBatches(examples, batch_size, rows).batch(len(rows), drop_remainder=True)
    return TrainBatches(batches, num_workers)


def evaluation_examples(
    source: Source, *, num_workers: int, process_index: int = 0, process_count: int = 1
) -> Iterator[Example]:
    """Yields every example once, unchanged and in the order of the data set.

    Args:
        source: the data set.
        num_workers: processes that load examples; 0 for threads of this process.
        process_index: the index of this process in the pod.
        process_count: the number of processes; this one gets the examples index, index + count, ...

    Raises:
        UserError: any error of `source[index]`.
    """
    examples = _prefetch(grain.MapDataset.source(source)[process_index::process_count], num_workers)
    try:
        yield from cast(Iterator[Example], examples)
    finally:
        examples.close()


class _Decoded:
    """The examples of a source, `decoded` where it can."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Example | DecodedExample:
        if isinstance(self._source, DecodingSource):
            return self._source.decoded(index)
        return self._source[index]


class _RowsOfBatches(grain.MapDataset):
    """The elements in `rows` of every `batch_size`."""

    def __init__(self, parent: grain.MapDataset, batch_size: int, rows: range) -> None:
        super().__init__(parent)
        self._examples, self._batch_size, self._rows = parent, batch_size, rows

    def __len__(self) -> int:
        return len(self._examples) // self._batch_size * len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(index)
        batch, row = divmod(index, len(self._rows))
        return self._examples[batch * self._batch_size + self._rows[row]]


def _prefetch(dataset: grain.MapDataset, num_workers: int) -> grain.DatasetIterator:
    """Iterates over the data set; the number of prefetched elements equals the number of threads."""
    num_threads = _NUM_THREADS_PER_WORKER if num_workers else _NUM_THREADS
    read_options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=num_threads)
    elements = dataset.to_iter_dataset(read_options)
    if num_workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # grain requires it, and only absl's own main parses the flags
        options = grain.MultiprocessingOptions(num_workers=num_workers)
        elements = elements.mp_prefetch(options, end_with_parent).map(_copy_arrays)
    return iter(elements)


def _copy_arrays(element: dict[str, Any]) -> dict[str, Any]:
    """Copies arrays out of shared memory: Python warns of shared memory that is still in use at exit."""
    return {
        name: np.array(value) if isinstance(value, np.ndarray) else value for name, value in element.items()
    }
