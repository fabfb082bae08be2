"""Tiles of a large image: each is segmented as an image of its own, and its margin is cut away."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from hclip_jax.inference.output import Prediction, empty_prediction
from hclip_jax.inference.predictor import Predictor

MIN_TILE = 64
"""Height and width of the smallest tile in pixels."""

_MARGIN = 8  # a margin of 1/8 tile is context for the tile, and the neighbour's result is used there


class Tile(NamedTuple):
    """A part of an image.

    Attributes:
        source: rows and columns that are segmented.
        kept: rows and columns of the image for which the result is used.
        kept_in_tile: the same, counted from the corner of the tile.
    """

    source: tuple[slice, slice]
    kept: tuple[slice, slice]
    kept_in_tile: tuple[slice, slice]


def split_into_tiles(size: tuple[int, int], tile: int) -> list[Tile]:
    """Overlapping tiles of `tile` x `tile` pixels, or less where the image is smaller, in row-major order.

    Args:
        size: height and width of the image.
        tile: height and width of a tile, at least MIN_TILE.

    Returns:
        Tiles whose `kept` parts cover each pixel once.
    """
    rows, columns = (_axis_tiles(length, tile) for length in size)
    return [Tile(*zip(y, x, strict=True)) for y in rows for x in columns]


def predict_tiles(
    predictor: Predictor,
    image: np.ndarray,
    tile: int,
    batch_size: int,
    on_progress: Callable[[float], None],
) -> Prediction:
    """Segments an image tile by tile, `batch_size` tiles at a time.

    Args:
        predictor: the predictor.
        image: uint8 [H, W, 3].
        tile: as in `split_into_tiles`.
        batch_size: number of tiles the devices process together.
        on_progress: called after each batch with the share of the tiles in it.
    """
    tiles = split_into_tiles(image.shape[:2], tile)
    prediction = empty_prediction(image.shape[:2], predictor.num_classes)
    for batch, images, sizes in _batches(image, tiles, batch_size):
        parts = predictor.segment(images, sizes)
        for part, (_, kept, kept_in_tile) in zip(parts, batch, strict=True):
            prediction.ids[kept] = part.ids[kept_in_tile]
            prediction.probability[kept] = part.probability[kept_in_tile]
        on_progress(len(batch) / len(tiles))
    return prediction


def tile_probabilities(predictor: Predictor, image: np.ndarray, tile: int, batch_size: int) -> np.ndarray:
    """The probability of each class at each pixel, float32 [T, H, W], tile by tile as `predict_tiles`."""
    result = np.empty((predictor.num_classes, *image.shape[:2]), np.float32)
    tiles = split_into_tiles(image.shape[:2], tile)
    for batch, images, sizes in _batches(image, tiles, batch_size):
        parts = predictor.probabilities(images, sizes)
        for part, (_, kept, kept_in_tile) in zip(parts, batch, strict=True):
            result[(slice(None), *kept)] = part[(slice(None), *kept_in_tile)]
    return result


def _axis_tiles(length: int, tile: int) -> list[tuple[slice, slice, slice]]:
    """For each tile of one axis: `source`, `kept` and `kept_in_tile`."""
    tile = min(tile, length)
    step = tile - 2 * (tile // _MARGIN)
    num_tiles = math.ceil((length - tile) / step) + 1
    starts = np.linspace(0, length - tile, num_tiles).round().astype(int).tolist()
    # Neighbours meet in the middle of their overlap.
    edges = [0, *((a + b + tile) // 2 for a, b in itertools.pairwise(starts)), length]
    return [
        (slice(start, start + tile), slice(first, last), slice(first - start, last - start))
        for start, first, last in zip(starts, edges, edges[1:], strict=False)
    ]


def _batches(
    image: np.ndarray, tiles: Sequence[Tile], batch_size: int
) -> Iterator[tuple[Sequence[Tile], list[np.ndarray], list[tuple[int, int]]]]:
    """Tiles, their images, and their sizes; a smaller last batch is filled up with images."""
    for i in range(0, len(tiles), batch_size):
        batch = tiles[i : i + batch_size]
        images = [image[tile.source] for tile in batch]
        sizes = [image.shape[:2] for image in images]
        padding = batch_size - len(batch) if len(tiles) > batch_size else 0
        yield batch, images + [images[-1]] * padding, sizes
