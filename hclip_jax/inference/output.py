"""From the logits of the views of an image to class ids or probabilities at the size of the output.

Classes are taken in chunks and the output in blocks (`blocks.py`), so memory hardly grows with either, and
the compiled programs depend on neither the number of classes in the list nor the size of the image. Classes
that were selected in no view cannot be the most probable, and are left out.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.errors import UserError
from hclip_jax.images.bands import LARGE_PIXELS
from hclip_jax.inference import sliding_window
from hclip_jax.inference.blocks import BLOCK_SIZE, Block, output_blocks
from hclip_jax.models.head.cost_volume import ABSENT_LOGIT
from hclip_jax.ops import resize
from hclip_jax.ops.resize import BilinearWeights

# Probabilities on the canvas that are in memory together: 32 classes of the published one take 52 MB.
_MAX_VALUES = 32 * 640**2
_MAX_BLOCKS = 64  # blocks whose best classes are in memory together: 4 megapixels


class Prediction(NamedTuple):
    """The most probable class of each pixel: arrays of `empty_prediction`."""

    ids: np.ndarray  # [H, W]
    probability: np.ndarray  # [H, W], of that class


def empty_prediction(size: tuple[int, int], num_classes: int) -> Prediction:
    """Uninitialised arrays of `size` = (height, width): int32 and float32.

    From 33 megapixels on, memory matters more than precision: they have the narrowest signed dtype for the
    ids, and float16.
    """
    if size[0] * size[1] <= LARGE_PIXELS:
        return Prediction(np.empty(size, np.int32), np.empty(size, np.float32))
    return Prediction(np.empty(size, np.min_scalar_type(-num_classes)), np.empty(size, np.float16))


def most_probable(
    protocol: InferenceProtocol, logits: Array, num_classes: int, size: tuple[int, int]
) -> Prediction:
    """The most probable class of each pixel, of equal ones the first, and its probability.

    Args:
        protocol: how the image became views.
        logits: float32 [V, T, 4h, 4w] of V views; classes from `num_classes` on are padding.
        num_classes: number of classes; padding is never the most probable.
        size: (height, width) of the output.

    Raises:
        UserError: probabilities are not numbers.
    """
    prediction = empty_prediction(size, num_classes)
    blocks = output_blocks(size, _grid_size(protocol, logits))
    chunks = _chunks(protocol, _selected(logits), logits.shape[1])
    for first in range(0, len(blocks), _MAX_BLOCKS):
        group = blocks[first : first + _MAX_BLOCKS]
        best: list[tuple[Array, Array] | None] = [None] * len(group)
        for ids in chunks:
            merged = _merged(protocol, logits, ids)
            for i, block in enumerate(group):
                best[i] = _better(best[i], merged, ids, block.rows, block.columns)
        for block, found in zip(group, best, strict=True):
            assert found is not None
            _check_numbers(found[1])
            for whole, part in zip(prediction, found, strict=True):
                whole[block.pixels] = _cropped(part, block)
    return prediction


def probabilities(
    protocol: InferenceProtocol, logits: Array, num_classes: int, size: tuple[int, int]
) -> np.ndarray:
    """The probability of each class at each pixel, float32 [num_classes, H, W]; arguments as above."""
    result = np.empty((num_classes, *size), np.float32)
    blocks = output_blocks(size, _grid_size(protocol, logits))
    num_logits = logits.shape[1]
    for ids in _chunks(protocol, np.arange(num_logits), num_logits):
        merged = _merged(protocol, logits, ids)
        target = result[ids[0] : ids[0] + len(ids)]
        for block in blocks:
            part = _cropped(_resized(merged, block.rows, block.columns), block)
            target[(slice(None), *block.pixels)] = part[: len(target)]
    return result


def _grid_size(protocol: InferenceProtocol, logits: Array) -> int:
    return logits.shape[-1] if protocol.kind == "single" else protocol.canvas_size


def _selected(logits: Array) -> np.ndarray:
    """Ids of the classes that were selected in a view: all, unless they are more than the head takes."""
    return np.flatnonzero(_is_selected(logits))


@jax.jit
def _is_selected(logits: Array) -> Array:
    # Not `>`: logits that are not numbers count as selected, and are refused later.
    return (logits != ABSENT_LOGIT).any(axis=(0, 2, 3))


def _chunks(protocol: InferenceProtocol, ids: np.ndarray, num_classes: int) -> list[np.ndarray]:
    """Chunks of the increasing `ids` of some of `num_classes` classes: int32, each increasing.

    All have one size, which does not depend on `ids`: the last may overlap its predecessor, and other classes
    fill up a single one.
    """
    num_chunks = math.ceil(num_classes / chunk_size(protocol))
    size = math.ceil(num_classes / num_chunks)
    if len(ids) < size:
        others = np.setdiff1d(np.arange(num_classes), ids)
        ids = np.union1d(ids, others[: size - len(ids)])
    starts = (min(start, len(ids) - size) for start in range(0, len(ids), size))
    return [ids[start : start + size].astype(np.int32) for start in starts]


def chunk_size(protocol: InferenceProtocol) -> int:
    """The largest number of classes whose views are merged together."""
    return max(1, _MAX_VALUES // max(BLOCK_SIZE, protocol.canvas_size) ** 2)


@partial(jax.jit, static_argnums=0)
def _merged(protocol: InferenceProtocol, logits: Array, ids: Array) -> Array:
    """Logits [V, T, 4h, 4w] -> probabilities [t, grid, grid] of the t classes `ids`."""
    chunk = logits[:, ids]
    if protocol.kind == "single":
        return jax.nn.sigmoid(chunk[0])
    return sliding_window.merge_views(chunk, protocol.canvas_size, protocol.crop_size, protocol.stride)


@jax.jit
def _resized(merged: Array, rows: BilinearWeights, columns: BilinearWeights) -> Array:
    return resize.gather_bilinear(merged, rows, columns)


@jax.jit
def _better(
    best: tuple[Array, Array] | None,
    merged: Array,
    class_ids: Array,
    rows: BilinearWeights,
    columns: BilinearWeights,
) -> tuple[Array, Array]:
    """The best of `best` and of a chunk: ids int32 and probabilities float32, [BLOCK_SIZE, BLOCK_SIZE]."""
    p = _resized(merged, rows, columns)
    ids, highest = class_ids[p.argmax(axis=0)], p.max(axis=0)
    if best is None:
        return ids, highest
    is_better = highest > best[1]  # strictly: of equal classes the first wins, as in argmax
    return jnp.where(is_better, ids, best[0]), jnp.where(is_better, highest, best[1])


def _check_numbers(probability: Array) -> None:
    if np.isnan(probability).any():
        raise UserError(
            "the model gives probabilities that are not numbers: its weights are not finite, as after a "
            "training that diverged; use another checkpoint"
        )


def _cropped(part: Array, block: Block) -> np.ndarray:
    """The part of a block [..., BLOCK_SIZE, BLOCK_SIZE] that belongs to the output."""
    height, width = (pixels.stop - pixels.start for pixels in block.pixels)
    return np.asarray(part)[..., :height, :width]
