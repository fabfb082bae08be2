"""Labels and images equal those of the published preparation scripts, bit for bit."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.prepare import open_source
from hclip_jax.datasets.records import Record, read_records
from hclip_jax.datasets.summary import Summary
from hclip_jax.errors import UserError
from tests.datasets.reading import pixels

# The published scripts do not prepare the training images of ADE20K.
NOT_EXPECTED = {"ade20k_150/train/ADE_train_00000001"}


def records_of(key: str, source: Path) -> dict[str, Record]:
    found = open_source(CATALOGUE[key], source, partial=True)
    return {
        f"{key}/{split}/{record.name}": record
        for split, listing in found.listings.items()
        for record in read_records(found.dataset, listing.files, Summary.empty(found.dataset))
        if record is not None
    }


@pytest.mark.parametrize("key", CATALOGUE)
def test_labels(key: str, official: Path, expected: dict[str, np.ndarray]) -> None:
    records = records_of(key, official)
    wanted = {name: label for name, label in expected.items() if name.startswith(f"{key}/")}
    assert records.keys() - NOT_EXPECTED == wanted.keys()
    for name, label in wanted.items():
        prepared = pixels(records[name].label)
        assert prepared.dtype == label.dtype == CATALOGUE[key].label_dtype
        np.testing.assert_array_equal(prepared, label)


@pytest.mark.parametrize("key", ["coco_stuff_171", "pascal_voc_20"])
def test_images_are_the_bytes_of_the_files(key: str, official: Path) -> None:
    found = open_source(CATALOGUE[key], official, partial=True)
    files = {entry.name: entry.image for listing in found.listings.values() for entry in listing.files}
    records = records_of(key, official).values()
    assert records
    assert all(record.image == files[record.name].read_bytes() for record in records)


def test_images_of_ade20k_847_are_saved_again_as_published(samples: Path, official: Path) -> None:
    published = json.loads((samples / "expected/synthetic_ade20k_847_jpeg.json").read_text())
    records = records_of("ade20k_847", official)
    digests = {record.name: hashlib.sha256(record.image).hexdigest() for record in records.values()}
    assert digests == {name: image["sha256_of_jpeg_file"] for name, image in published.items()}


@pytest.mark.parametrize("key", CATALOGUE)
def test_one_data_set_in_its_own_folder(key: str, official: Path) -> None:
    root = open_source(CATALOGUE[key], official, partial=True).root
    assert open_source(CATALOGUE[key], root, partial=True).listings.keys()


def test_no_record_follows_a_wrong_file(copy: Callable[[str], Path]) -> None:
    root = copy("coco-stuff")
    for name in ("000000000010", "000000000011"):
        (root / f"images/train2017/{name}.jpg").write_bytes(b"")
    found = open_source(CATALOGUE["coco_stuff_171"], root, partial=True)
    records = read_records(found.dataset, found.listings["train"].files, Summary.empty(found.dataset))
    assert next(records) is not None
    with pytest.raises(UserError, match=r"000000000010\.jpg is empty.*000000000011\.jpg is empty"):
        next(records)
    (root / "images/train2017/000000000011.jpg").write_bytes(
        found.listings["val"].files[0].image.read_bytes()
    )
    records = read_records(found.dataset, found.listings["train"].files, Summary.empty(found.dataset))
    assert next(records) is not None
    with pytest.raises(UserError, match=r"000000000010\.jpg is empty"):
        next(records)
