"""Pictures of any size in, class ids or probabilities of that size out, for one vocabulary."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.data.transforms import resize_shortest
from hclip_jax.inference import sliding_window
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from hclip_jax.sharding import named_sharding, place
from hclip_jax.text.prompts import Prompts, pad_prompts

# Output sizes are padded to a multiple of this: fewer programs to compile for pictures of many sizes.
_SIZE_STEP = 128
# Probabilities at the size of the picture that are held at once: 2**24 are 64 MB.
_MOST_VALUES = 2**24


class Prediction(NamedTuple):
    """The most probable class at each pixel."""

    ids: np.ndarray  # int32 [H, W]
    probability: np.ndarray  # float32 [H, W], of that class


class Predictor:
    """Segments pictures by the words it was made with, several at a time on all devices.

    The adapters are folded into CLIP and the words are encoded once, when it is made. Memory hardly grows
    with the number of classes: a few of them at a time are brought to the size of the picture.
    """

    def __init__(
        self,
        model: Model,
        params: Params,
        class_names: Sequence[str],
        mesh: Mesh,
        protocol: InferenceProtocol,
        kept: TextCache | None = None,
    ):
        """Prepares for T = len(class_names) classes, whose features may be `kept`.

        Raises:
            UserError: a class name is empty, repeated or too long.
        """
        self._model, self._mesh, self._protocol = model, mesh, protocol
        self._head = params["head"]
        self._clip = _adapt(model, params)
        prompts = model.prompts(class_names)
        padded = pad_prompts(prompts, mesh.size)

        def encode() -> Array:
            return _encode(model, self._clip, place(padded, mesh, "prompts"))

        sentences = {"tokens": np.asarray(padded.tokens), "owner": np.asarray(padded.segment_ids)}
        text = kept.get(sentences, encode) if kept else encode()
        self.text: Array = jax.device_put(text, named_sharding(mesh, "text_features"))

    def segment(self, pictures: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[Prediction]:
        """The most probable class at each pixel, and how probable it is.

        Args:
            pictures: uint8 [H, W, 3] RGB each, of any size.
            sizes: (height, width) of each result; of fewer pictures, if the last only fill up the batch.
        """
        found = []
        for logits, (height, width), taps in self._predict(pictures, sizes):
            best = _most_probable(self._protocol, logits, *taps)
            found.append(Prediction(*(np.asarray(x)[:height, :width] for x in best)))
        return found

    def probabilities(
        self, pictures: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[np.ndarray]:
        """Probabilities of each class at each pixel.

        Args:
            pictures: uint8 [H, W, 3] RGB each, of any size.
            sizes: (height, width) of each result.

        Returns:
            For each picture float32 [T, height, width]; a class is a yes-or-no question, so they need
            not add up to 1.
        """
        found = []
        for logits, (height, width), (rows, columns) in self._predict(pictures, sizes):
            result = np.empty((logits.shape[1], height, width), np.float32)
            chunk = _chunk(self._protocol, rows, columns)
            for first in range(0, len(result), chunk):
                part = logits[:, first : first + chunk]
                sampled = _sampled(self._protocol, part, rows, columns)
                result[first : first + chunk] = np.asarray(sampled)[:, :height, :width]
            found.append(result)
        return found

    def logits(self, pictures: Sequence[np.ndarray]) -> Array:
        """Logits float32 [B, V, T, 4h, 4w] of V views of each picture, uint8 [H, W, 3] of any size."""
        views = [self._views(picture) for picture in pictures]
        # Every device gets as many pictures; what is added is thrown away.
        views += [views[-1]] * (-len(views) % self._mesh.size)
        batch = place(np.stack(views), self._mesh, "images")
        return _logits(self._model, self._clip, self._head, batch, self.text, self._protocol.pooling)

    def _predict(
        self, pictures: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[Array, tuple[int, int], tuple[resize.BilinearWeights, resize.BilinearWeights]]]:
        """Logits [V, T, 4h, 4w] of each picture's views, its size, and the way from one to the other."""
        logits = self.logits(pictures)
        side = logits.shape[-1] if self._protocol.kind == "single" else self._protocol.canvas_size
        for i, size in enumerate(sizes):
            rows, columns = (
                resize.bilinear_weights(new, side, -(-new // _SIZE_STEP) * _SIZE_STEP) for new in size
            )
            yield logits[i], size, (rows, columns)

    def _views(self, picture: np.ndarray) -> np.ndarray:
        """What CLIP is to see of a picture: float32 [V, side, side, 3]."""
        p = self._protocol
        picture = resize_shortest(picture, p.shortest_edge, p.longest_edge)
        if p.kind == "single":
            return sliding_window.resize_square(picture, self._model.architecture.model.image_size)[None]
        return sliding_window.views(picture, p.canvas_size, p.crop_size, p.stride)


# Compiled once a model, not once a predictor: evaluations during training share them.


@partial(jax.jit, static_argnums=0)
def _adapt(model: Model, params: Params) -> Params:
    return model.adapt(params)


@partial(jax.jit, static_argnums=0)
def _encode(model: Model, clip: Params, prompts: Prompts) -> Array:
    return model.encode_text(clip, prompts)


@partial(jax.jit, static_argnums=(0, 5))
def _logits(model: Model, clip: Params, head: Params, views: Array, text: Array, pooling: int) -> Array:
    """[B, V, side, side, 3] -> [B, V, T, 4h, 4w], a view of all pictures at a time: so many fit."""

    def look(view: Array) -> Array:
        return model.segment(clip, head, view, text, pooling)

    return jnp.moveaxis(jax.lax.map(look, jnp.moveaxis(views, 1, 0)), 0, 1)


@partial(jax.jit, static_argnums=0)
def _sampled(
    protocol: InferenceProtocol, logits: Array, rows: resize.BilinearWeights, columns: resize.BilinearWeights
) -> Array:
    """Logits [V, T, 4h, 4w] -> probabilities [T, H, W]; every class by itself."""
    if protocol.kind == "single":
        merged = jax.nn.sigmoid(logits[0])
    else:
        merged = sliding_window.merge(logits, protocol.canvas_size, protocol.crop_size, protocol.stride)
    return resize.sample(merged, rows, columns)


@partial(jax.jit, static_argnums=0)
def _most_probable(
    protocol: InferenceProtocol, logits: Array, rows: resize.BilinearWeights, columns: resize.BilinearWeights
) -> tuple[Array, Array]:
    """Logits [V, T, 4h, 4w] -> ids int32 and probabilities float32, [H, W] each."""
    classes = logits.shape[1]
    size = min(_chunk(protocol, rows, columns), classes)
    # Chunks are of one size: the last begins so early that it ends with the last class.
    starts = np.minimum(np.arange(0, classes, size, dtype=np.int32), classes - size)

    def better(best: tuple[Array, Array], start: Array) -> tuple[tuple[Array, Array], None]:
        chunk = jax.lax.dynamic_slice_in_dim(logits, start, size, axis=1)
        p = _sampled(protocol, chunk, rows, columns)
        highest = p.max(axis=0)
        ids = start + p.argmax(axis=0).astype(jnp.int32)
        found = highest > best[1]  # of equals the first stays, as argmax has it
        return (jnp.where(found, ids, best[0]), jnp.where(found, highest, best[1])), None

    shape = (len(rows.low), len(columns.low))
    nothing = (jnp.zeros(shape, jnp.int32), jnp.full(shape, -1.0))
    best, _ = jax.lax.scan(better, nothing, jnp.asarray(starts))
    return best


def _chunk(protocol: InferenceProtocol, rows: resize.BilinearWeights, columns: resize.BilinearWeights) -> int:
    """How many classes are brought to the size of the picture at a time."""
    pixels = max(len(rows.low) * len(columns.low), protocol.canvas_size**2)
    return max(1, _MOST_VALUES // pixels)
