"""Image files in TFDS records are read as in a labelled folder; versions, gs://, several processes."""

import io
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from hclip_jax.data.digest import digest_files
from hclip_jax.data.folder import FolderSource
from hclip_jax.data.loader import evaluation_examples, train_batches
from hclip_jax.data.sources import open_source
from hclip_jax.data.tfds import TfdsSource
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from tests.bucket import ADDRESS, Bucket
from tests.bucket import bucket as mounted_bucket

Pair = tuple[bytes, bytes]
NAMES = [f"class {number}" for number in range(847)]


class Stored(tfds.core.ShardBasedBuilder, skip_registration=True):
    """The bytes of given files."""

    VERSION = tfds.core.Version("1.0.0")
    code_path = None
    name = "stored"

    def __init__(self, pairs: list[Pair], data_dir: Path, dtype: type = np.uint8) -> None:
        self._pairs, self._dtype = pairs, dtype
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        label = tfds.features.LabeledImage(
            labels=NAMES, shape=(None, None, 1), dtype=self._dtype, encoding_format="png"
        )
        image = tfds.features.Image(shape=(None, None, 3))
        features = tfds.features.FeaturesDict({"image": image, "label": label})
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, list[Callable[[], Iterator[tuple[int, Any]]]]]:
        half = len(self._pairs) // 2
        shards = [self._pairs[:half], self._pairs[half:]] if half else [self._pairs]
        return {"val": [lambda pairs=pairs: self._examples(pairs) for pairs in shards]}

    def _examples(self, pairs: list[Pair]) -> Iterator[tuple[int, Any]]:
        for index, (image, label) in enumerate(pairs):
            yield index, {"image": image, "label": label}


def prepare(pairs: list[Pair], folder: Path, dtype: type = np.uint8) -> Path:
    """Returns the folder above the version."""
    builder = Stored(pairs, folder, dtype)
    builder.download_and_prepare()
    return folder / "stored"


def encode(image: Image.Image, suffix: str = "png", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, suffix, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


LABEL = encode(Image.fromarray(noise(6, 8) % 4))


def palette(pixels: np.ndarray) -> Image.Image:
    image = Image.fromarray(pixels, "L").convert("P")
    image.putdata(pixels.ravel().tolist())
    image.putpalette(noise(768).tolist())
    return image


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    size = (8, 6, 3) if orientation > 4 else (6, 8, 3)
    return encode(Image.fromarray(noise(*size)), "jpeg", exif=exif)


IMAGES = {
    "grey": encode(Image.fromarray(noise(6, 8)), "jpeg"),
    "cmyk": encode(Image.fromarray(noise(6, 8, 4), "CMYK"), "jpeg"),
    "palette": encode(palette(noise(6, 8))),
    "rgba": encode(Image.fromarray(noise(6, 8, 4))),
    "16 bits": encode(Image.fromarray(noise(6, 8).astype(np.uint16) * 257)),
    "upside down": turned(3),
    "on its side": turned(6),
}


def test_images_equal_those_of_a_folder(tmp_path: Path) -> None:
    root = prepare([(image, LABEL) for image in IMAGES.values()], tmp_path)
    for kind in ("images", "labels"):
        (tmp_path / f"folder/{kind}/val").mkdir(parents=True)
    for index, image in enumerate(IMAGES.values()):
        (tmp_path / f"folder/images/val/{index}.png").write_bytes(image)
        (tmp_path / f"folder/labels/val/{index}.png").write_bytes(LABEL)
    (tmp_path / "folder/classes.txt").write_text("\n".join(NAMES))
    folder, source = FolderSource(tmp_path / "folder", "val"), open_source(str(root), "val")
    assert len(source) == len(folder) == len(IMAGES)
    for index in range(len(source)):
        np.testing.assert_array_equal(source[index]["image"], folder[index]["image"])
        np.testing.assert_array_equal(source[index]["label"], folder[index]["label"])
    assert "cv2" not in sys.modules


@pytest.mark.parametrize("image", [Image.fromarray, palette])
def test_labels_are_indices(image: Callable[[np.ndarray], Image.Image], tmp_path: Path) -> None:
    label = noise(6, 8)
    root = prepare([(IMAGES["grey"], encode(image(label)))], tmp_path)
    expected = np.where(label == 255, IGNORE, label.astype(int))
    np.testing.assert_array_equal(TfdsSource(root, "val")[0]["label"], expected)


def test_16_bit_labels(tmp_path: Path) -> None:
    label = noise(6, 8).astype(np.uint16) * 3
    label[0] = 65535
    root = prepare([(IMAGES["grey"], encode(Image.fromarray(label)))], tmp_path, np.uint16)
    expected = np.where(label == 65535, IGNORE, label.astype(int))
    np.testing.assert_array_equal(TfdsSource(root, "val")[0]["label"], expected)
    for kind, content in (("images", IMAGES["grey"]), ("labels", encode(Image.fromarray(label)))):
        (tmp_path / f"folder/{kind}/val").mkdir(parents=True)
        (tmp_path / f"folder/{kind}/val/a.png").write_bytes(content)
    (tmp_path / "folder/classes.txt").write_text("\n".join(NAMES))
    np.testing.assert_array_equal(FolderSource(tmp_path / "folder", "val")[0]["label"], expected)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((b"junk", LABEL), "cannot read record 0 of val in .* as an image"),
        ((IMAGES["grey"], b"junk"), "cannot read record 0 of val in .* as an image"),
        ((IMAGES["grey"], IMAGES["rgba"]), "the label record 0 of val in .* has the mode RGBA, but"),
        (
            (IMAGES["grey"], encode(Image.fromarray(noise(5, 8) % 4))),
            "must be uint8, RGB or grey, and as large",
        ),
    ],
)
def test_broken_records(pair: Pair, message: str, tmp_path: Path) -> None:
    source = TfdsSource(prepare([pair], tmp_path), "val")
    with pytest.raises(UserError, match=message) as error:
        source[0]
    assert "BytesIO" not in str(error.value)


def test_the_newest_version_is_read(tmp_path: Path) -> None:
    root = prepare([(IMAGES["grey"], LABEL)], tmp_path)
    (root / "1.0.0").rename(root / "2.10.0")
    (root / "2.9.0").mkdir()
    (root / "2.9.0/dataset_info.json").touch()
    (root / "2.9.0/features.json").touch()
    (root / "3.0.0.incomplete").mkdir()
    assert len(open_source(str(root), "val")) == 1
    newest = open_source(str(root / "2.10.0"), "val")
    assert len(newest) == 1
    assert newest.digest() == open_source(str(root), "val").digest()


def pairs_of(count: int) -> list[Pair]:
    """Pair i has a label of i alone."""
    labels = [encode(Image.fromarray(np.full((6, 8), number, np.uint8))) for number in range(count)]
    return [(IMAGES["grey"], label) for label in labels]


def test_two_processes_read_disjoint_halves(tmp_path: Path) -> None:
    source = TfdsSource(prepare(pairs_of(11), tmp_path), "val")
    halves = [
        [
            example["name"]
            for example in evaluation_examples(source, num_workers=0, process_index=index, process_count=2)
        ]
        for index in range(2)
    ]
    assert sorted(halves[0] + halves[1]) == [f"{index:08d}" for index in range(11)]

    def epochs(index: int, skip: int = 0) -> list[int]:
        batches = train_batches(
            source, batch_size=2, crop_size=4, seed=0, num_workers=0, rows=range(index, index + 1)
        )
        batches.set_state({"batches": skip})  # resumes in the middle of an epoch
        numbers = [int(next(batches)["label"][0].max()) for _ in range(11 - skip)]
        batches.close()
        return numbers

    first, second = epochs(0), epochs(1)
    together = [number for pair in zip(first, second, strict=True) for number in pair]
    assert sorted(together[:11]) == sorted(together[11:]) == list(range(11))
    assert epochs(0, skip=4) == first[4:]


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from tensorflow_datasets.core.data_sources import base

    original = base.file_instructions

    def local(*arguments: Any) -> Any:  # array_record itself would open gs://
        instructions = original(*arguments)
        assert all(entry.filename.startswith("gs://bucket/") for entry in instructions)
        return [entry.replace(filename=Bucket._strip_protocol(entry.filename)) for entry in instructions]

    monkeypatch.setattr(base, "file_instructions", local)
    with mounted_bucket(tmp_path):
        yield ADDRESS


def test_a_bucket(bucket: str, tmp_path: Path) -> None:
    prepare(pairs_of(3), tmp_path)
    (tmp_path / "stored/1.0.0/classes.txt").write_text("\n".join([*NAMES[1:], "last"]))
    source = open_source(f"{bucket}/stored", "val")
    assert (source.class_names[0], source.class_names[-1]) == ("class 1", "last")
    assert [source[index]["label"].max() for index in range(3)] == [0, 1, 2]
    copy = pickle.loads(pickle.dumps(source))
    assert copy[2]["label"].max() == 2
    assert copy.digest() == digest_files(sorted((tmp_path / "stored/1.0.0").iterdir()))
    with pytest.raises(UserError, match="gs://bucket/none holds no data set prepared by TFDS"):
        open_source(f"{bucket}/none", "val")


def test_addresses_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(
        UserError, match=r"gs://bucket/x cannot be read without gcsfs: .*pip install 'hclip_jax\[gcs\]'"
    ):
        open_source("gs://bucket/x", "val")
    with pytest.raises(UserError, match="s3://bucket/x is no address that can be read: give gs://"):
        open_source("s3://bucket/x", "val")
