import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from hclip_jax.data.sources import open_source
from hclip_jax.data.tfds import TfdsSource
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError

CLASS_NAMES = ["cat", "sky", "tree"]
NUM_EXAMPLES = 5


def example_arrays(index: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(index)
    height, width = rng.integers(10, 30, 2)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return image, rng.choice(np.array([0, 1, 2, 255], np.uint8), (height, width))


class Pets(tfds.core.GeneratorBasedBuilder):
    """Random images with labels."""

    VERSION = tfds.core.Version("1.0.0")
    __module__ = "pets"  # in a package, TFDS 4.9.10 imports importlib_resources without requiring it

    def __init__(self, label: tfds.features.FeatureConnector, key: str, data_dir: Path) -> None:
        self._label, self._key = label, key
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            self._key: self._label,
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, object]]]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, object]]]:
        for index in range(NUM_EXAMPLES):
            image, label = (Image.fromarray(array) for array in example_arrays(index))
            yield index, {"image": image, self._key: label, "name": f"dir/pet_{index}.jpg"}


Prepare = Callable[..., Path]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    def prepared(label: tfds.features.FeatureConnector, key: str = "label") -> Path:
        builder = Pets(label, key, tmp_path)
        builder.download_and_prepare()
        return Path(builder.data_dir)

    return prepared


def unnamed() -> tfds.features.Image:
    return tfds.features.Image(shape=(None, None, 1), encoding_format="png")


@pytest.mark.parametrize("key", ["label", "annotation", "segmentation_mask"])
def test_examples_equal_the_records(prepare: Prepare, key: str) -> None:
    root = prepare(unnamed(), key)
    (root / "classes.txt").write_text("\n".join(CLASS_NAMES))
    source = open_source(str(root), "train")
    assert isinstance(source, TfdsSource)
    assert source.class_names == tuple(CLASS_NAMES)
    examples = [source[index] for index in range(len(source))]
    assert sorted(example["name"] for example in examples) == [f"pet_{i}" for i in range(NUM_EXAMPLES)]
    for example in examples:  # TFDS shuffles before it writes
        image, label = example_arrays(int(example["name"].removeprefix("pet_")))
        np.testing.assert_array_equal(example["image"], image)
        expected = np.where(label == 255, IGNORE, label.astype(np.int32))
        np.testing.assert_array_equal(example["label"], expected)
        assert example["label"].dtype == np.int32
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy[2]["image"], examples[2]["image"])
    assert "tensorflow" not in sys.modules


def test_class_names_of_the_label_feature(prepare: Prepare, tmp_path: Path) -> None:
    root = prepare(tfds.features.LabeledImage(labels=CLASS_NAMES, encoding_format="png"))
    assert TfdsSource(root, "train[:60%]").class_names == tuple(CLASS_NAMES)
    assert len(TfdsSource(root, "train[:60%]")) == 3
    (tmp_path / "other.txt").write_text("a\nb\nc\nd")
    assert TfdsSource(root, "train", str(tmp_path / "other.txt")).class_names == ("a", "b", "c", "d")


@pytest.mark.parametrize("label", [unnamed(), tfds.features.LabeledImage(labels=3)])
def test_no_class_names(prepare: Prepare, label: tfds.features.FeatureConnector) -> None:
    with pytest.raises(UserError, match=r"has no class names: write classes\.txt"):
        TfdsSource(prepare(label), "train")


def test_unusable_data_sets(prepare: Prepare, tmp_path: Path) -> None:
    root = prepare(unnamed())
    (root / "classes.txt").write_text("cat\nsky")
    with pytest.raises(UserError, match="has no split 'val': it has train"):
        TfdsSource(root, "val")
    source = TfdsSource(root, "train")
    with pytest.raises(UserError, match=r"record 0 of train in .* holds the class id 2, .*2 class"):
        source[0]


def test_label_feature_with_another_name(prepare: Prepare) -> None:
    with pytest.raises(UserError, match=r"has the features .*mask.*, but needs image and one of"):
        TfdsSource(prepare(unnamed(), "mask"), "train")


@pytest.mark.parametrize("key", ["pythonClassName", "python_class_name", "type"])
def test_classes_of_other_modules_are_not_imported(
    key: str, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = prepare(unnamed())
    (root / "classes.txt").write_text("\n".join(CLASS_NAMES))
    (root / "hostile_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(root)
    path = root / "features.json"
    features = json.loads(path.read_text())
    image = features["featuresDict"]["features"]["image"]
    del image["pythonClassName"]
    image[key] = "hostile_module.X"
    path.write_text(json.dumps(features))
    with pytest.raises(UserError, match=r"features\.json names the Python class 'hostile_module\.X'"):
        TfdsSource(root, "train")
    path.write_text("{")
    with pytest.raises(UserError, match=r"features\.json cannot be read as JSON"):
        TfdsSource(root, "train")
    assert not (tmp_path / "ran").exists()


def test_the_module_of_the_data_set_is_not_imported(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = prepare(unnamed())
    (root / "classes.txt").write_text("\n".join(CLASS_NAMES))
    (root / "hostile_package").mkdir()
    (root / "hostile_package/__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(root)
    path = root / "dataset_info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "moduleName": "hostile_package.inner"}))
    assert TfdsSource(root, "train")[0]["name"]
    assert not (tmp_path / "ran").exists()
