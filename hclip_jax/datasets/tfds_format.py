"""Writes a prepared set as a TFDS data set in array_record files; TensorFlow is not imported.

GeneratorBasedBuilder calls TensorFlow for a split above 1,000 MiB; ShardBasedBuilder never does.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from hclip_jax.datasets.dataset import Dataset
from hclip_jax.datasets.prepared import VERSION
from hclip_jax.datasets.records import Record

BYTES_PER_SHARD = 256 * 2**20

_Shard = Callable[[], Iterator[tuple[str, dict[str, Any]]]]


def write_tfds(
    target: Path,
    dataset: Dataset,
    splits: Mapping[str, Iterator[Record | None]],
    sizes: Mapping[str, tuple[int, int]],
) -> Path:
    """Writes all splits to TARGET/KEY/VERSION.

    Args:
        target: the data folder of TFDS.
        dataset: the data set.
        splits: the records of each split, in order.
        sizes: the number of items of each iterator and the bytes of all, about; they decide on the shards.

    Returns:
        TARGET/KEY/VERSION.

    Raises:
        UserError: as the iterators.
    """
    builder = _Benchmark(target, dataset, splits, sizes)
    builder.download_and_prepare()
    return Path(builder.data_dir)


class _Benchmark(tfds.core.ShardBasedBuilder, skip_registration=True):
    """The builder of all data sets; readers need no builder (`tfds.builder_from_directory`)."""

    VERSION = tfds.core.Version(VERSION)
    # There are no checksums of downloads beside this file. To look for them, TFDS 4.9.10 would import
    # importlib_resources, which it does not require.
    code_path = None

    def __init__(
        self,
        target: Path,
        dataset: Dataset,
        splits: Mapping[str, Iterator[Record | None]],
        sizes: Mapping[str, tuple[int, int]],
    ) -> None:
        self.name = dataset.key
        self._dataset, self._splits, self._sizes = dataset, splits, sizes
        super().__init__(data_dir=target, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format=self._dataset.image_format),
            "label": tfds.features.LabeledImage(
                labels=list(self._dataset.class_names),
                shape=(None, None, 1),
                dtype=self._dataset.label_dtype,
                encoding_format="png",
            ),
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self._dataset.title}. {self._dataset.terms}.",
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, list[_Shard]]:
        shards = {}
        for split, records in self._splits.items():
            num_items, num_bytes = self._sizes[split]
            count = max(1, min(num_items, -(-num_bytes // BYTES_PER_SHARD)))
            ends = [num_items * index // count for index in range(count + 1)]
            lengths: list[int | None] = [end - start for start, end in pairwise(ends)]
            lengths[-1] = None
            shards[split] = [_shard(records, length) for length in lengths]
        return shards

    # TFDS prints both without a way to switch them off.
    def _log_download_bytes(self) -> None:
        pass

    def _log_download_done(self) -> None:
        pass


def _shard(records: Iterator[Record | None], length: int | None) -> _Shard:
    """The next `length` items of `records`; TFDS asks for one shard after the other.

    None, for the last shard, runs to the end: the iterator checks the split after its last item.
    """

    def examples() -> Iterator[tuple[str, dict[str, Any]]]:
        for record in islice(records, length):
            if record is not None:
                image, label = _ReadOnce(record.image), _ReadOnce(record.label)
                yield record.name, {"image": image, "label": label, "name": record.name}

    return examples


class _ReadOnce(io.RawIOBase):
    """Bytes that are freed when they are read: TFDS keeps the examples of a shard until it is written."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        """All bytes; none the second time."""
        content, self._content = self._content, b""
        return content
