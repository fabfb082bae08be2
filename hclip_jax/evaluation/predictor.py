"""Pictures of any size in, class ids or probabilities of that size out, for one vocabulary."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from hclip_jax import resize
from hclip_jax.clip.prompts import pad_prompts
from hclip_jax.data.transforms import resize_shortest
from hclip_jax.evaluation import sliding_window
from hclip_jax.model import Model, Params
from hclip_jax.parallel import place, sharding

# Output sizes are padded to a multiple of this: fewer programs to compile for pictures of many sizes.
_SIZE_STEP = 128


class Predictor:
    """Segments pictures by the words it was made with, several at a time on all devices.

    The adapters are folded into CLIP and the words are encoded once, when it is made.
    """

    def __init__(self, model: Model, params: Params, class_names: Sequence[str], mesh: Mesh):
        """Prepares for T = len(class_names) classes.

        Raises:
            UserError: a class name is empty, repeated or too long.
        """
        self._model, self._mesh = model, mesh
        self._head = params["head"]
        self._clip = _adapt(model, params)
        prompts = model.prompts(class_names)
        padded = pad_prompts(prompts, mesh.size)
        sentences = place((padded.tokens, padded.owner), mesh, "sentences")
        self.text: Array = jax.device_put(
            _encode(model, self._clip, *sentences, prompts.classes), sharding(mesh, "features")
        )

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
        return [
            np.asarray(_resample(p, *taps))[:, :height, :width]
            for p, (height, width), taps in self._predict(pictures, sizes)
        ]

    def ids(self, pictures: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        """The most probable class at each pixel: for each picture int32 [height, width]."""
        return [
            np.asarray(_most_probable(p, *taps))[:height, :width]
            for p, (height, width), taps in self._predict(pictures, sizes)
        ]

    def _predict(
        self, pictures: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[tuple[Array, tuple[int, int], tuple[resize.Taps, resize.Taps]]]:
        views = [self._views(picture) for picture in pictures]
        # Every device gets as many pictures; what is added is thrown away.
        views += [views[-1]] * (-len(views) % self._mesh.size)
        batch = place(np.stack(views), self._mesh, "pictures")
        probabilities = _probabilities(self._model, self._clip, self._head, batch, self.text)
        results: list[tuple[Array, tuple[int, int], tuple[resize.Taps, resize.Taps]]] = []
        # Each picture's result goes to the host by itself: as one it could fill a device's memory.
        for i, size in enumerate(sizes):
            rows, columns = (
                resize.taps(new, old, -(-new // _SIZE_STEP) * _SIZE_STEP)
                for new, old in zip(size, probabilities.shape[2:], strict=True)
            )
            results.append((probabilities[i], size, (rows, columns)))
        return results

    def _views(self, picture: np.ndarray) -> np.ndarray:
        """What CLIP is to see of a picture: float32 [V, side, side, 3]."""
        e = self._model.config.evaluation
        picture = resize_shortest(picture, e.short_side, e.longest_side)
        if e.protocol == "single":
            return sliding_window.stretch(picture, self._model.config.model.resolution)[None]
        return sliding_window.views(picture, e.canvas, self._model.config.data.crop, e.stride)


# Compiled once a model, not once a predictor: evaluations during training share them.


@partial(jax.jit, static_argnums=0)
def _adapt(model: Model, params: Params) -> Params:
    return model.adapt(params)


@partial(jax.jit, static_argnums=(0, 4))
def _encode(model: Model, clip: Params, tokens: Array, owner: Array, classes: int) -> Array:
    return model.encode_text(clip, tokens, owner, classes)


@partial(jax.jit, static_argnums=0)
def _probabilities(model: Model, clip: Params, head: Params, views: Array, text: Array) -> Array:
    """[B, V, side, side, 3] -> [B, T, canvas, canvas], or on the logits' own grid for a single view."""
    e = model.config.evaluation
    pictures, count = views.shape[:2]
    logits = model.segment(clip, head, views.reshape(-1, *views.shape[2:]), text, e.pooling)
    logits = logits.reshape(pictures, count, *logits.shape[1:])
    if e.protocol == "single":
        return jax.nn.sigmoid(logits[:, 0])
    merge = partial(sliding_window.merge, canvas=e.canvas, crop=model.config.data.crop, stride=e.stride)
    return jax.vmap(merge)(logits)


@jax.jit
def _resample(probabilities: Array, rows: resize.Taps, columns: resize.Taps) -> Array:
    return resize.sample(probabilities, rows, columns)


@jax.jit
def _most_probable(probabilities: Array, rows: resize.Taps, columns: resize.Taps) -> Array:
    return jnp.argmax(resize.sample(probabilities, rows, columns), axis=0).astype(jnp.int32)
