"""`hclip segment --formats`."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from PIL import Image

from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import Layout
from hclip_jax.data.rle import decode_mask
from hclip_jax.tools.segment_formats import file_names
from tests.tools.segment_results import Command, fill_disk_at


def test_names_of_files_are_allowed_and_differ() -> None:
    names = file_names(("sky, clouds", "Sky", "a/b", "..", "x" * 300, "x" * 299, 'what?"'))
    assert names == ["sky", "Sky_1", "a_b", "_3", "x" * 50, f"{'x' * 50}_5", "what__"]


def test_formats_of_labelling_tools_hold_the_ids(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_names = ("wall", "traffic light", "a/b", "cat")
    classes = f"--classes={','.join(class_names)}"
    assert segment(photos, classes, "--threshold=0.47", "--formats=coco,polygons,masks") == 0
    out = photos.parent / "out"
    source = FolderSource(out, "all", layout=Layout(str(photos), "_annotations.coco.json"))
    assert source.class_names == class_names
    labels = {example["name"]: example["label"] for example in map(source.__getitem__, range(3))}
    coco = json.loads((out / "_annotations.coco.json").read_text())
    assert coco["categories"] == [{"id": t, "name": name} for t, name in enumerate(class_names)]
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "b [1].PNG", "c.jpg"]
    assert [row["id"] for row in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    for image in coco["images"]:
        stem = Path(image["file_name"]).stem
        with Image.open(out / f"{stem}.png") as label:
            ids = np.asarray(label)
        assert (image["height"], image["width"]) == ids.shape
        decoded = np.full(ids.shape, 255)
        for row in coco["annotations"]:
            if row["image_id"] == image["id"]:
                mask = decode_mask(row["segmentation"]["counts"], *row["segmentation"]["size"])
                decoded[mask] = row["category_id"]
                x, y, width, height = row["bbox"]
                assert row["area"] == mask.sum() == mask[y : y + height, x : x + width].sum()
        np.testing.assert_array_equal(decoded, ids)
        np.testing.assert_array_equal(labels[stem], np.where(ids == 255, -1, ids.astype(int)))

        for t, name in enumerate(("wall", "traffic light", "a_b", "cat")):
            with Image.open(out / f"masks/{stem}/{name}.png") as mask:
                np.testing.assert_array_equal(np.asarray(mask), (ids == t) * 255)

        shapes = json.loads((out / f"polygons/{stem}.json").read_text())
        path = out / "polygons" / shapes["imagePath"]
        assert path.samefile(photos / image["file_name"])
        rows, columns = np.mgrid[: ids.shape[0], : ids.shape[1]]
        centres = np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5
        decoded = np.full(ids.size, 255)
        for shape in shapes["shapes"]:
            inside = Outline(shape["points"]).contains_points(centres)
            decoded[inside] = class_names.index(shape["label"])
        np.testing.assert_array_equal(decoded.reshape(ids.shape), ids)
    capsys.readouterr()
    assert segment(photos, "--formats=coco,voc") == 2
    assert "--formats holds 'voc'; choose from coco, polygons, masks" in capsys.readouterr().err


def test_an_unfinished_image_leaves_no_other_formats(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk_at("b [1].png", monkeypatch)
    assert segment(photos, "--formats=coco,polygons,masks") == 2
    out = photos.parent / "out"
    assert [path.name for path in (out / "polygons").iterdir()] == ["a.json"]
    assert {path.parent.name for path in (out / "masks").glob("*/*")} == {"a"}
    coco = json.loads((out / "_annotations.coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a.png"]
