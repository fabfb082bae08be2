"""Damaged files of benchmarks: records, or a refusal in one sentence."""

import zipfile
from pathlib import Path

import pytest

from hclip_jax.datasets.catalogue import CATALOGUE
from hclip_jax.datasets.prepare import open_source
from tests.datasets.conftest import SAMPLES
from tests.fuzz.mutate import mutations, outcome

FILES = {
    "VOCdevkit/VOC2010/trainval/2008_000002.mat": "pascal_context_459",
    "VOCdevkit/VOC2010/trainval_merged.json": "pascal_context_59",
    "VOCdevkit/VOC2010/labels.txt": "pascal_context_459",
    "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt": "pascal_voc_20b",
    "VOCdevkit/VOC2012/SegmentationClass/2008_000002.png": "pascal_voc_20",
    "coco-stuff/images/val2017/000000001010.jpg": "coco_stuff_171",
    "ADE20K_2021_17_01/images/ADE/validation/urban/scene_1/ADE_val_00000001_seg.png": "ade20k_847",
    "ADE20K_2021_17_01/images/ADE/validation/urban/scene_1/ADE_val_00000001.json": "ade20k_847",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("official")
    with zipfile.ZipFile(SAMPLES) as archive:
        archive.extractall(folder)
    return folder / "synthetic"


@pytest.mark.parametrize("file", FILES)
def test_official_files(file: str, source: Path) -> None:
    path, dataset = source / file, CATALOGUE[FILES[file]]
    stem = path.stem.removesuffix("_seg")

    def read() -> int:
        listing = open_source(dataset, source, partial=True).listings["val"]
        named = [files for files in listing.files if files.name == stem]
        return len([dataset.read(files) for files in named or listing.files])

    content, refused = path.read_bytes(), 0
    for damaged in mutations([content], 125):
        path.write_bytes(damaged)
        refused += outcome(read) is None
    assert refused > 0 or path.suffix == ".json"
    path.write_bytes(content)
    assert outcome(read)
