import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.demo.preview import preview


@pytest.mark.parametrize("name", ["scan.tif", "scan.TIFF", "scan.ppm"])
def test_what_browsers_cannot_show_becomes_a_png(name: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / name)
    kind, _, content = preview(tmp_path / name, 1).partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_a_large_one_is_reduced(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1500)).save(tmp_path / "scan.tif")
    with Image.open(
        io.BytesIO(base64.b64decode(preview(tmp_path / "scan.tif", 9).partition(",")[2]))
    ) as image:
        assert image.size == (800, 400)
    assert preview(tmp_path / "scan.tif", 1) == ""


def test_others_need_none(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2)).save(tmp_path / "photo.png")
    (tmp_path / "broken.tif").write_text("words")
    assert [preview(tmp_path / name, 1) for name in ("photo.png", "broken.tif", "no.tif")] == ["", "", ""]
