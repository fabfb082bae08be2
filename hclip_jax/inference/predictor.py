"""Class ids or probabilities of images of any size, for one list of class names."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.data.bands import LARGE_PIXELS
from hclip_jax.data.transforms import resize_shortest
from hclip_jax.inference import sliding_window
from hclip_jax.inference.blocks import Block, output_blocks
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.models.hclip import Model
from hclip_jax.models.head.cost_volume import scatter_class_logits
from hclip_jax.models.head.head import ClassLogits
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from hclip_jax.ops.resize import BilinearWeights
from hclip_jax.sharding import DATA, RULES, named_sharding, place
from hclip_jax.text.prompts import Prompts, pad_prompts

# Probabilities at the output size that are in memory together: 2**24 float32 values are 64 MB.
_MAX_VALUES = 2**24


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


class Predictor:
    """Segments images with a fixed list of class names, a batch at a time on all devices.

    The adapters are folded into CLIP and the prompts are encoded once, in the constructor. Memory hardly
    grows with T, because classes are resized to the output size in chunks.

    Attributes:
        text: text features float32 [T, P, D_e] of length 1; D_e is the width of CLIP's embedding space.
    """

    def __init__(
        self,
        model: Model,
        params: Params,
        prompts: Prompts,
        mesh: Mesh,
        protocol: InferenceProtocol,
        text_cache: TextCache | None = None,
    ):
        """Folds the adapters into CLIP and encodes the prompts.

        Args:
            model: the model.
            params: "clip", "head" and, unless they are merged, "adapters".
            prompts: prompts of T class names, from `Model.prompts`.
            mesh: devices to run on.
            protocol: how images become inputs of the model.
            text_cache: cache of text features; None = the prompts are always encoded.
        """
        self._model, self._mesh, self._protocol = model, mesh, protocol
        self._head = params["head"]
        # A program returns a copy even of weights that it does not change.
        self._clip = _adapt(model, params) if "adapters" in params else params["clip"]
        padded = pad_prompts(prompts, mesh.size)

        def encode() -> Array:
            return _encode_text(model, self._clip, place(padded, mesh, "prompts"))

        key = {
            "tokens": np.asarray(padded.tokens),
            "segment_ids": np.asarray(padded.segment_ids),
            "sizes": np.array([prompts.num_classes, prompts.num_templates]),
        }
        text = text_cache.get(key, encode) if text_cache else encode()
        self.text: Array = jax.device_put(text, named_sharding(mesh, "text_features"))

    def segment(self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        """The most probable class of each pixel and its probability.

        Args:
            images: uint8 [H, W, 3] RGB each, of any size.
            sizes: output (height, width) of each image. It may be shorter than `images`; the remaining images
                only fill up the batch and have no result.
        """
        predictions = []
        for logits, size, blocks in self._predict(images, sizes):
            prediction = empty_prediction(size, logits.shape[1])
            for block, rows, columns in blocks:
                found = _most_probable(self._protocol, logits, rows, columns)
                for whole, part in zip(prediction, found, strict=True):
                    whole[block] = _cropped(part, whole[block].shape)
            predictions.append(prediction)
        return predictions

    def probabilities(
        self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[np.ndarray]:
        """The probability of each class at each pixel.

        Args:
            images: uint8 [H, W, 3] RGB each, of any size.
            sizes: output (height, width) of each image, as in `segment`.

        Returns:
            float32 [T, height, width] for each image. Each class has its own sigmoid, so the probabilities of
            a pixel need not sum to 1.
        """
        results = []
        for logits, size, blocks in self._predict(images, sizes):
            result = np.empty((logits.shape[1], *size), np.float32)
            for block, rows, columns in blocks:
                chunk_size = _class_chunk_size(self._protocol, rows, columns)
                for first in range(0, len(result), chunk_size):
                    target = result[(slice(first, first + chunk_size), *block)]
                    chunk = logits[:, first : first + chunk_size]
                    resized = _resized_probabilities(self._protocol, chunk, rows, columns)
                    target[:] = _cropped(resized, target.shape[1:])
            results.append(result)
        return results

    def logits(self, images: Sequence[np.ndarray]) -> Array:
        """Logits float32 [B, V, T, 4h, 4w] of V views of each image, uint8 [H, W, 3] of any size.

        B is the number of images, rounded up to a multiple of the devices along "data".
        """
        views = [self._views(image) for image in images]
        # Devices share the batch evenly; the results of the padding are dropped by the callers.
        views += [views[-1]] * (-len(views) % self._mesh.shape[DATA])
        batch = place(np.stack(views), self._mesh, "images")
        return segment_views(
            self._model, self._mesh, self._clip, self._head, batch, self.text, self._protocol.pooling
        )

    def _predict(
        self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[Array, tuple[int, int], Iterator[Block]]]:
        """For each image with an output size: logits [V, T, 4h, 4w], that size, and its blocks."""
        logits = self.logits(images)
        grid_size = logits.shape[-1] if self._protocol.kind == "single" else self._protocol.canvas_size
        for i, size in enumerate(sizes):
            yield logits[i], size, output_blocks(size, grid_size)

    def _views(self, image: np.ndarray) -> np.ndarray:
        """Inputs of the model for one image: float32 [V, size, size, 3] from 0 to 255."""
        p = self._protocol
        image = resize_shortest(image, p.shortest_edge, p.longest_edge)
        if p.kind == "single":
            return sliding_window.resize_square(image, self._model.architecture.model.image_size)[None]
        return sliding_window.window_views(image, p.canvas_size, p.crop_size, p.stride)


# Module-level functions are compiled once a model, not once a predictor: the evaluations during training
# share their programs.


@partial(jax.jit, static_argnums=0)
def _adapt(model: Model, params: Params) -> Params:
    return model.adapt(params)


@partial(jax.jit, static_argnums=0)
def _encode_text(model: Model, clip: Params, prompts: Prompts) -> Array:
    return model.encode_text(clip, prompts)


@partial(jax.jit, static_argnums=(0, 1, 6))
def segment_views(
    model: Model, mesh: Mesh, clip: Params, head: Params, views: Array, text: Array, pooling: int
) -> Array:
    """Views [B, V, size, size, 3] -> logits [B, V, T, 4h, 4w]; memory holds one view of all images."""
    model = replace(model, sharded=True)

    def on_device(clip: Params, head: Params, views: Array, text: Array) -> ClassLogits:
        def segment_view(view: Array) -> ClassLogits:
            return model.class_logits(clip, head, view, text, pooling)

        return cast(ClassLogits, jax.lax.map(segment_view, jnp.moveaxis(views, 1, 0)))

    in_specs = (RULES["params"], RULES["params"], RULES["images"], RULES["text_features"])
    out_specs = PartitionSpec(None, *RULES["logits"])
    # check_vma=False as in training: it rejects the custom gradients of ops/.
    sharded = jax.shard_map(on_device, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
    logits, class_ids = sharded(clip, head, views, text)
    if class_ids is not None:
        logits = jax.vmap(partial(scatter_class_logits, num_classes=len(text)))(logits, class_ids)
    return jnp.moveaxis(logits, 0, 1)


@partial(jax.jit, static_argnums=0)
def _resized_probabilities(
    protocol: InferenceProtocol, logits: Array, rows: BilinearWeights, columns: BilinearWeights
) -> Array:
    """Logits [V, T, 4h, 4w] -> probabilities [T, H, W]; classes are independent of each other."""
    if protocol.kind == "single":
        merged = jax.nn.sigmoid(logits[0])
    else:
        merged = sliding_window.merge_views(logits, protocol.canvas_size, protocol.crop_size, protocol.stride)
    return resize.gather_bilinear(merged, rows, columns)


@partial(jax.jit, static_argnums=0)
def _most_probable(
    protocol: InferenceProtocol, logits: Array, rows: BilinearWeights, columns: BilinearWeights
) -> tuple[Array, Array]:
    """Logits [V, T, 4h, 4w] -> class ids int32 [H, W] and their probabilities float32 [H, W]."""
    num_classes = logits.shape[1]
    chunk_size = min(_class_chunk_size(protocol, rows, columns), num_classes)
    # All chunks have one size: the last one overlaps its predecessor and ends with the last class.
    starts = np.minimum(np.arange(0, num_classes, chunk_size, dtype=np.int32), num_classes - chunk_size)

    def update_best(best: tuple[Array, Array], start: Array) -> tuple[tuple[Array, Array], None]:
        chunk = jax.lax.dynamic_slice_in_dim(logits, start, chunk_size, axis=1)
        p = _resized_probabilities(protocol, chunk, rows, columns)
        highest = p.max(axis=0)
        ids = start + p.argmax(axis=0).astype(jnp.int32)
        is_better = highest > best[1]  # strictly: of equal classes the first wins, as in argmax
        return (jnp.where(is_better, ids, best[0]), jnp.where(is_better, highest, best[1])), None

    shape = (len(rows.low), len(columns.low))
    initial = (jnp.zeros(shape, jnp.int32), jnp.full(shape, -1.0))
    best, _ = jax.lax.scan(update_best, initial, jnp.asarray(starts))
    return best


def _cropped(padded: Array, size: tuple[int, int]) -> np.ndarray:
    """The top left [..., height, width] of an array [..., H, W]."""
    return np.asarray(padded)[..., : size[0], : size[1]]


def _class_chunk_size(protocol: InferenceProtocol, rows: BilinearWeights, columns: BilinearWeights) -> int:
    """Number of classes that are resized to the output size together."""
    pixels = max(len(rows.low) * len(columns.low), protocol.canvas_size**2)
    return max(1, _MAX_VALUES // pixels)
