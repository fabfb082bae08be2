"""From images to segmentations: whole images in batches, or one image after another in tiles."""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.images.bands import row_bands
from hclip_jax.inference.output import Prediction
from hclip_jax.inference.predictor import Predictor
from hclip_jax.inference.segmentation import Segmentation
from hclip_jax.inference.tiles import predict_tiles, tile_probabilities
from hclip_jax.text.class_groups import ClassGroups

_MAX_PROBABILITY_BYTES = 2**32  # of one image


class Settings(NamedTuple):
    """How all images of a call are segmented; see `Segmenter.many`.

    Attributes:
        groups: the classes, and their members, which the predictor tells apart.
        predictor: the model with the members' text.
        batch_size: images or tiles in a batch.
        threshold: a lower confidence makes a pixel unknown.
        tile: size of tiles in pixels, 0 for whole images.
        on_progress: called with the share of an image that was segmented since the last call.
    """

    groups: ClassGroups
    predictor: Predictor
    batch_size: int
    threshold: float
    tile: int
    on_progress: Callable[[float], None]


def segment_images(images: Iterator[np.ndarray], settings: Settings) -> Iterator[Segmentation]:
    """Segments uint8 RGB images [H, W, 3] lazily, in their order.

    Raises:
        UserError: later, if the probabilities of an image are asked for and too large.
    """
    return _segment_tiled(images, settings) if settings.tile else _segment_batches(images, settings)


def _segment_batches(images: Iterator[np.ndarray], settings: Settings) -> Iterator[Segmentation]:
    """Segments whole images, a batch at a time."""
    is_first_batch = True
    while batch := list(itertools.islice(images, settings.batch_size)):
        # A smaller last batch is filled up, so that it uses the compiled program of the others.
        padding = [] if is_first_batch else [batch[-1]] * (settings.batch_size - len(batch))
        is_first_batch = False
        yield from _segment_batch(batch, padding, settings)
        del batch, padding  # large images: the next are read without these in memory


def _segment_batch(
    batch: list[np.ndarray], padding: list[np.ndarray], settings: Settings
) -> Iterator[Segmentation]:
    predictor = settings.predictor

    def probabilities(image: np.ndarray) -> np.ndarray:
        return predictor.probabilities([image], [image.shape[:2]])[0]

    predictions = predictor.segment(batch + padding, [image.shape[:2] for image in batch])
    for image, prediction in zip(batch, predictions, strict=True):
        settings.on_progress(1.0)
        yield _to_segmentation(image, prediction, probabilities, settings)


def _segment_tiled(images: Iterator[np.ndarray], settings: Settings) -> Iterator[Segmentation]:
    """Segments images one after another, a batch of tiles at a time."""
    predictor, tile, batch_size = settings.predictor, settings.tile, settings.batch_size

    def probabilities(image: np.ndarray) -> np.ndarray:
        return tile_probabilities(predictor, image, tile, batch_size)

    def segment(image: np.ndarray) -> Segmentation:
        prediction = predict_tiles(predictor, image, tile, batch_size, settings.on_progress)
        return _to_segmentation(image, prediction, probabilities, settings)

    return map(segment, images)


def _to_segmentation(
    image: np.ndarray,
    prediction: Prediction,
    compute_probabilities: Callable[[np.ndarray], np.ndarray],
    settings: Settings,
) -> Segmentation:
    """Converts the prediction of members of the groups to a segmentation with their classes."""
    groups, (height, width) = settings.groups, image.shape[:2]

    def probabilities() -> np.ndarray:
        num_bytes = 4 * len(groups.members) * height * width
        if num_bytes > _MAX_PROBABILITY_BYTES:
            raise UserError(
                f"probabilities of {len(groups.members)} names at {width} x {height} pixels take "
                f"{num_bytes / 2**30:.1f} GB; give fewer names or a smaller image"
            )
        return groups.to_class_probabilities(compute_probabilities(image))

    ids, confidence = prediction
    # Classes that share a member are more than the members.
    narrowest = np.min_scalar_type(-len(groups.class_names))
    ids = ids.astype(np.promote_types(ids.dtype, narrowest), copy=False)
    class_by_member = groups.to_class_ids(np.arange(len(groups.members)))
    for rows in row_bands(height, width):
        ids[rows] = class_by_member[ids[rows]]
        ids[rows][confidence[rows] < settings.threshold] = IGNORE
    return Segmentation(image, groups.class_names, ids, confidence, probabilities)
