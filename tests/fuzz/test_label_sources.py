"""Damaged colour maps, JSONs of COCO and of LabelMe: labels, or a refusal in one sentence."""

import json

import numpy as np

from hclip_jax.data.colour_map import read_colour_map
from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import Layout
from tests.data import test_labelme as labelme
from tests.data.coco_set import SIZE, instances, panoptic, write
from tests.fuzz.mutate import mutations, outcome

MAP = "# label:color_rgb:parts:actions\nsky:0,0,255::\ntall grass:0,255,0::\ncar:255,0,0::\n"


def test_colour_maps(tmp_path):
    path, refused = tmp_path / "labelmap.txt", 0
    for content in mutations([MAP.encode()], 1000):
        path.write_bytes(content)
        found = outcome(lambda: read_colour_map(str(path)))
        refused += found is None
        assert found is None or all(name.strip() for name in found.class_names)
    assert 100 < refused < 950


def test_coco(tmp_path):
    write(tmp_path, instances())
    contents = [json.dumps(content).encode() for content in (instances(), panoptic(tmp_path))]
    path, refused = tmp_path / "panoptic.json", 0
    for content in mutations(contents, 1000):
        path.write_bytes(content)

        def read():
            source = FolderSource(tmp_path, "train", layout=Layout("images", "panoptic.json"))
            return [source[index]["label"] for index in range(len(source))], len(source.class_names)

        found = outcome(read)
        refused += found is None
        if found is not None:
            labels, num_classes = found
            assert all(label.shape == SIZE and label.max(initial=-1) < num_classes for label in labels)
            assert all(label.dtype == np.int32 for label in labels)
    assert 100 < refused < 1000


def test_labelme(tmp_path):
    circle = {"label": "sun", "shape_type": "circle", "points": [[4, 3], [4, 1]]}
    labelme.write(tmp_path, labelme.SKY, labelme.CAT, circle)
    path, refused = tmp_path / "a.json", 0
    for content in mutations([path.read_bytes()], 1000):
        path.write_bytes(content)
        label = outcome(lambda: FolderSource(tmp_path, "train", layout=labelme.LAYOUT)[0]["label"])
        refused += label is None
        assert label is None or (label.shape == SIZE and label.dtype == np.int32)
    assert 100 < refused < 1000
