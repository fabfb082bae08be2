"""Tiles cover each pixel once, with a margin at their neighbours, and each is an image of its own."""

from typing import cast

import numpy as np
import pytest

from hclip_jax.inference.predictor import Prediction, Predictor
from hclip_jax.inference.tiles import predict_tiles, split_into_tiles, tile_probabilities

RGB = np.random.default_rng(0).integers(0, 256, (100, 150, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 64), (65, 64), (10, 300), (113, 112), (1000, 999), (1, 1)])
def test_tiles_cover_each_pixel_once_with_a_margin(size: tuple[int, int]) -> None:
    count = np.zeros(size, int)
    for tile in split_into_tiles(size, 64):
        count[tile.kept] += 1
        for length, source, kept, in_tile in zip(size, *tile, strict=True):
            assert source.stop - source.start == min(64, length)
            assert (kept.start, kept.stop) == (in_tile.start + source.start, in_tile.stop + source.start)
            assert kept.start == 0 or kept.start - source.start >= 8
            assert kept.stop == length or source.stop - kept.stop >= 8
    assert (count == 1).all()


class FakePredictor:
    """A predictor whose ids and probabilities are the channels of the image; counts its batches."""

    def __init__(self) -> None:
        self.num_classes = 3
        self.batches: list[int] = []

    def segment(self, images: list[np.ndarray], sizes: list[tuple[int, int]]) -> list[Prediction]:
        self.batches.append(len(images))
        assert [image.shape[:2] for image in images[: len(sizes)]] == sizes
        return [
            Prediction(image[..., 0].astype(np.int32), image[..., 1].astype(np.float32))
            for image in images[: len(sizes)]
        ]

    def probabilities(self, images: list[np.ndarray], sizes: list[tuple[int, int]]) -> list[np.ndarray]:
        self.batches.append(len(images))
        return [image.transpose(2, 0, 1).astype(np.float32) for image in images[: len(sizes)]]


@pytest.mark.parametrize(
    ("batch_size", "batches"), [(1, [1] * 6), (4, [4, 4]), (8, [6])]
)  # a smaller last batch is filled up, a smaller first one is not
def test_tiles_are_put_together(batch_size: int, batches: list[int]) -> None:
    fake, shares = FakePredictor(), list[float]()
    predictor = cast(Predictor, fake)
    prediction = predict_tiles(predictor, RGB, 64, batch_size, shares.append)
    np.testing.assert_array_equal(prediction.ids, RGB[..., 0])
    np.testing.assert_array_equal(prediction.probability, RGB[..., 1])
    assert fake.batches == batches
    assert len(shares) == len(batches)
    assert sum(shares) == pytest.approx(1)
    probabilities = tile_probabilities(predictor, RGB, 64, batch_size)
    np.testing.assert_array_equal(probabilities, RGB.transpose(2, 0, 1))
    assert fake.batches == 2 * batches
