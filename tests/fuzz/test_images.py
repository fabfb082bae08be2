"""Damaged images: an array, or a refusal in one sentence; never a warning."""

import numpy as np

from hclip_jax.images.image_io import read_image, remarks
from tests.fuzz.image_files import images
from tests.fuzz.mutate import mutations, outcome

MAX_VALUES = 3 * 180_000_000


def test_images(tmp_path):
    path, refused = tmp_path / "photo.jpg", 0
    for content in mutations(images(), 1000):
        path.write_bytes(content)
        image = outcome(lambda: read_image(path))
        refused += image is None
        if image is not None:
            assert image.dtype == np.uint8
            assert image.ndim == 3
            assert image.size <= MAX_VALUES
            assert all(remark.isprintable() for remark in remarks(path))  # never refused
    assert 100 < refused < 900
