"""Prepared sets: whole or not there, the same in both formats, read back as they were written."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from hclip_jax.data.loader import evaluation_examples
from hclip_jax.data.sources import open_source as open_data
from hclip_jax.data.types import IGNORE
from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.prepare import FORMATS, Report, open_source, write
from hclip_jax.datasets.prepared import PreparedState, SplitState, is_written, read_state
from hclip_jax.errors import UserError
from tests.datasets.reading import silent


def prepared(key: str, source: Path, target: Path, data_format: str) -> Report:
    return write(open_source(CATALOGUE[key], source, partial=True), target / key, data_format, silent)


def state_of(folder: Path) -> PreparedState:
    state = read_state(folder)
    assert state
    return state


@pytest.fixture(scope="module", params=FORMATS)
def target(request: pytest.FixtureRequest, official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All data sets, prepared in one of the formats."""
    folder = tmp_path_factory.mktemp(request.param)
    for key in CATALOGUE:
        prepared(key, official, folder, request.param)
    return folder


@pytest.mark.parametrize("key", CATALOGUE)
def test_the_set_holds_the_published_labels(key: str, target: Path, expected: dict[str, np.ndarray]) -> None:
    dataset = CATALOGUE[key]
    for split in state_of(target / key).splits:
        source = open_data(str(target / key), split)
        assert source.class_names == dataset.class_names
        examples = list(evaluation_examples(source, num_workers=0))  # through grain
        names = [example["name"] for example in examples]
        wanted = sorted(name.split("/")[2] for name in expected if name.startswith(f"{key}/{split}/"))
        assert names == wanted or (key, split) == ("ade20k_150", "train")
        for example, name in zip(examples, wanted, strict=names == wanted):
            label = expected[f"{key}/{split}/{name}"]
            np.testing.assert_array_equal(
                example["label"], np.where(label == dataset.ignore, IGNORE, label.astype(int))
            )
            assert example["image"].shape == (*label.shape, 3)
    assert not list(target.glob(".*"))


def test_the_state_says_that_it_is_partial(target: Path) -> None:
    state = state_of(target / "pascal_voc_20")
    assert state.splits == {"val": SplitState(2, 3, 1449, "differs", False)}
    assert not state.is_complete
    assert state.splits["val"].describe() == "3 of 1,449 (partial)"
    assert state_of(target / "pascal_voc_20b").fold_background == 20


def test_images_keep_their_format(official: Path, tmp_path: Path) -> None:
    prepared("cityscapes_19", official, tmp_path / "folder", "folder")
    names = [path.name for path in (tmp_path / "folder/cityscapes_19/images/train").iterdir()]
    assert names == ["aachen_000000_000019.png"]
    prepared("cityscapes_19", official, tmp_path / "tfds", "tfds")
    image = tfds.builder("cityscapes_19", data_dir=tmp_path / "tfds").info.features["image"]
    assert image.get_tensor_info().shape == (None, None, 3)
    assert '"encodingFormat": "png"' in json.dumps(image.to_json())


def test_a_state_of_other_labels_is_never_complete() -> None:
    state = SplitState(5104, 5104, 5104, "same", False, "mat")
    assert not state.is_partial
    assert state.describe() == "5,104 (labels: mat, not comparable)"
    assert not PreparedState("pascal_context_59", {"val": state}, 0, ()).is_complete


def test_others_can_load_the_records(official: Path, tmp_path: Path) -> None:
    prepared("coco_stuff_171", official, tmp_path, "tfds")
    builder = tfds.builder("coco_stuff_171", data_dir=tmp_path)
    records: Any = builder.as_data_source(split="val")
    assert [record["name"] for record in records] == [b"000000001009", b"000000001010"]
    assert builder.info.features["label"].names == list(CATALOGUE["coco_stuff_171"].class_names)
    assert "coco_stuff_171" not in tfds.list_builders(with_community_datasets=False)
    assert "tensorflow" not in sys.modules


def test_many_shards_and_beyond_the_memory_of_tfds(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tensorflow_datasets.core.shuffle.MAX_MEM_BUFFER_SIZE", 0
    )  # the limit of the other builder
    monkeypatch.setattr("hclip_jax.datasets.tfds_format.BYTES_PER_SHARD", 1)
    prepared("coco_stuff_171", official, tmp_path, "tfds")
    assert len(list((tmp_path / "coco_stuff_171/1.0.0").glob("*train.array_record*"))) == 3
    source = open_data(str(tmp_path / "coco_stuff_171"), "train")
    assert [source[index]["name"] for index in range(3)] == [f"{number:012d}" for number in (9, 10, 11)]


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_wrong_file_leaves_nothing(data_format: str, copy: Callable[[str], Path], tmp_path: Path) -> None:
    root = copy("coco-stuff")
    (root / "images/val2017/000000001010.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"000000001010\.jpg is empty"):
        prepared("coco_stuff_171", root, tmp_path / "target", data_format)
    assert not list((tmp_path / "target").iterdir())


def test_what_exists_is_kept(official: Path, tmp_path: Path) -> None:
    dataset = CATALOGUE["pascal_voc_20b"]
    folder = tmp_path / dataset.key
    assert not is_written(dataset, folder, partial=True)
    prepared(dataset.key, official, tmp_path, "tfds")
    assert is_written(dataset, folder, partial=True)
    with pytest.raises(UserError, match=r"is a partial set \(val 3 of 1,449 \(partial\)\): remove it"):
        is_written(dataset, folder, partial=False)
    with pytest.raises(UserError, match="exists already: remove it"):
        prepared(dataset.key, official, tmp_path, "tfds")
    with pytest.raises(UserError, match="is not pascal_voc_20 as hclip prepare writes it"):
        is_written(CATALOGUE["pascal_voc_20"], folder, partial=True)
    (folder / "1.0.0/metadata.json").write_text("{}")
    with pytest.raises(UserError, match="is not pascal_voc_20b as hclip prepare writes it"):
        is_written(dataset, folder, partial=True)
    (folder / "1.0.0/metadata.json").write_text('{"key": 1}')
    with pytest.raises(UserError, match=r"metadata\.json is not the state of a set"):
        is_written(dataset, folder, partial=True)


def test_a_killed_run_is_done_again(official: Path, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from hclip_jax.datasets.prepare import open_source, write\n"
        "from hclip_jax.datasets.catalogue import CATALOGUE\n"
        "source = open_source(CATALOGUE['coco_stuff_171'], Path(sys.argv[1]), partial=True)\n"
        "write(source, Path(sys.argv[2]), 'folder', lambda name, total: lambda: time.sleep(60))\n"
    )
    folder = tmp_path / "target/coco_stuff_171"
    run = subprocess.Popen([sys.executable, script, official, folder])
    unfinished = folder.with_name(".coco_stuff_171.unfinished")
    deadline = time.monotonic() + 60
    while not (unfinished / "coco_stuff_171/images/train").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(UserError, match=r"another process prepares .*coco_stuff_171: wait for its end"):
        prepared("coco_stuff_171", official, folder.parent, "folder")
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert unfinished.exists()
    prepared("coco_stuff_171", official, folder.parent, "tfds")
    assert list(folder.parent.iterdir()) == [folder]
    assert not (folder / "images").exists()


def test_an_interruption_leaves_nothing(official: Path, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    source = open_source(CATALOGUE["coco_stuff_171"], official, partial=True)
    for data_format in FORMATS:
        with pytest.raises(KeyboardInterrupt):
            write(source, tmp_path / "target/x", data_format, lambda name, total: interrupt)
        assert not list((tmp_path / "target").iterdir())


def test_a_whole_split_without_an_image_of_a_class(copy: Callable[[str], Path], tmp_path: Path) -> None:
    root = copy("VOCdevkit/VOC2012")
    (root / "ImageSets/Segmentation/val.txt").write_text("2011_000003\n")
    with pytest.raises(UserError, match="no image of val shows a class"):
        prepared("pascal_voc_20", root, tmp_path / "target", "tfds")


def test_workers_give_the_same(official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hclip_jax.datasets.records.num_workers", lambda count: 2)
    prepared("pascal_context_59", official, tmp_path, "folder")
    monkeypatch.undo()
    shutil.move(tmp_path / "pascal_context_59", tmp_path / "first")
    prepared("pascal_context_59", official, tmp_path, "folder")
    for path in (tmp_path / "first").rglob("*.*"):
        assert (
            path.read_bytes()
            == (tmp_path / "pascal_context_59" / path.relative_to(tmp_path / "first")).read_bytes()
        )
