"""Your picture and your words in, labels out: the Python interface."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh
from PIL import Image

import hclip_jax
from hclip_jax.config.schema import Architecture, Protocol
from hclip_jax.data.image_io import read_picture, rgb_array
from hclip_jax.data.sources import IGNORE
from hclip_jax.data.transforms import resize_shortest
from hclip_jax.errors import UserError
from hclip_jax.inference.predictor import Prediction, Predictor
from hclip_jax.inference.segmentation import Segmentation
from hclip_jax.inference.sliding_window import stretch
from hclip_jax.io.cache import TextFeatures
from hclip_jax.load import open_model
from hclip_jax.models.hclip import Model, Params
from hclip_jax.models.head.cost_volume import unit
from hclip_jax.sharding import make_mesh, place
from hclip_jax.text.class_groups import Vocabulary, make_vocabulary

Picture = str | Path | Image.Image | np.ndarray

_MOST_PROBABILITIES = 2**32  # bytes of one picture's probabilities


class DenseFeatures(NamedTuple):
    """CLIP's view of a picture, h x w patches, for those who build on it."""

    patches: np.ndarray  # float32 [h, w, D_e], each of length 1
    cost: np.ndarray | None  # float32 [T, P, h, w] cosines with the classes asked for


class Segmenter:
    """A model that labels pictures with any words.

    Words are encoded once: the same classes for the next picture cost nothing more.
    """

    def __init__(
        self,
        architecture: Architecture,
        params: Params,
        protocol: Protocol,
        classes: tuple[str, ...] = (),
        mesh: Mesh | None = None,
    ):
        """Takes a model that is in memory; `Segmenter.load` reads one.

        Args:
            architecture: what the model is.
            params: its parameters.
            protocol: how pictures are shown to it.
            classes: it was trained with.
            mesh: devices to run on; the first one by default.
        """
        self.classes = classes
        self.synonyms = architecture.prompts.synonyms
        self._protocol = protocol
        self._architecture = architecture
        self._mesh = mesh or make_mesh(1)
        model = Model(architecture)
        placed = place(params, self._mesh, "parameters")
        self._params = {"clip": jax.jit(model.adapt)(placed), "head": placed["head"]}
        a = architecture
        # With the version, since a change of the code may change what is computed.
        self._kept = TextFeatures(self._params["clip"]["text"], hclip_jax.__version__, a.clip, a.model.dtype)
        self._predictor = functools.lru_cache(maxsize=8)(self._make_predictor)

    @classmethod
    def load(cls, model: str | Path, base: str | Path | None = None, dtype: str = "") -> "Segmenter":
        """Loads a model.

        Args:
            model: a model directory, the directory of a training, or a file of CAT-Seg or H-CLIP.
            base: the CLIP of a directory that holds adapters without it.
            dtype: of the towers' activations, "float32" or "bfloat16"; as the model was trained by default,
                like the head's always.

        Raises:
            UserError: it cannot be read, or cannot segment.
        """
        stored = open_model(model, base)
        architecture, protocol, classes = stored.need_segmenting()
        if dtype not in ("", "float32", "bfloat16"):
            raise UserError(f"dtype is {dtype!r}; it must be float32 or bfloat16")
        if dtype:
            architecture = replace(architecture, model=replace(architecture.model, dtype=dtype))
        return cls(architecture, stored.params(), protocol, classes)

    def __call__(
        self,
        image: Picture,
        classes: Sequence[str] = (),
        *,
        background: Sequence[str] = (),
        synonyms: str = "",
        threshold: float = 0.0,
        fast: bool = False,
    ) -> Segmentation:
        """Segments a picture; see `many`."""
        options = {"background": background, "synonyms": synonyms, "threshold": threshold, "fast": fast}
        return next(self.many([image], classes, batch=1, **options))

    def many(
        self,
        images: Iterable[Picture],
        classes: Sequence[str] = (),
        *,
        batch: int = 4,
        background: Sequence[str] = (),
        synonyms: str = "",
        threshold: float = 0.0,
        fast: bool = False,
    ) -> Iterator[Segmentation]:
        """Segments pictures, `batch` at a time, as they come.

        Args:
            images: paths, PIL pictures, or uint8 [H, W], [H, W, 3] or [H, W, 4], of any sizes.
            classes: T names in the order of their ids, synonyms separated by ", "; those the model was
                trained with by default.
            batch: pictures the devices work on together; memory grows with it.
            background: names of what is none of the classes; they become one more class, the last.
            synonyms: what is asked of a name with synonyms: first | mean | max; what the model was
                trained with by default.
            threshold: pixels whose most probable class is less probable are unknown.
            fast: one look at the whole picture instead of the published sliding window.

        Raises:
            UserError: the picture cannot be read, or a name cannot be used.
        """
        if not 0 <= threshold <= 1:
            raise UserError(f"threshold is {threshold}; it must be a probability, from 0 to 1")
        if batch < 1:
            raise UserError(f"batch is {batch}; it must be 1 or more")
        vocabulary = self._vocabulary(classes, background, synonyms)
        predictor = self._predictor(vocabulary, fast=fast)
        return self._segment(iter(images), vocabulary, predictor, batch, threshold)

    def _segment(
        self,
        images: Iterator[Picture],
        vocabulary: Vocabulary,
        predictor: Predictor,
        batch: int,
        threshold: float,
    ) -> Iterator[Segmentation]:
        first = True
        while pictures := [as_pixels(image) for image in itertools.islice(images, batch)]:
            # After a whole batch, a part of one is filled up: it shares the program.
            filled = pictures if first else pictures + [pictures[-1]] * (batch - len(pictures))
            first = False
            predictions = predictor.segment(filled, [p.shape[:2] for p in pictures])
            for pixels, prediction in zip(pictures, predictions, strict=True):
                yield _told(pixels, prediction, vocabulary, predictor, threshold)

    def embed_text(self, classes: Sequence[str], synonyms: str = "") -> np.ndarray:
        """Text features float32 [T, P, D_e] of length 1, with P templates a class.

        Args:
            classes: T names, synonyms separated by ", ".
            synonyms: first | mean; what the model was trained with by default.

        Raises:
            UserError: a name cannot be used.
        """
        if synonyms == "max":
            raise UserError("synonyms is 'max', which has no single feature a class; choose first or mean")
        vocabulary = make_vocabulary(classes, (), synonyms or self.synonyms)
        return np.asarray(self._predictor(vocabulary, fast=True).text)

    def dense_features(self, image: Picture, classes: Sequence[str] = ()) -> DenseFeatures:
        """Patch features in the space of the words, and their cosines with `classes` if there are any.

        The whole picture is shown at once, stretched to the square that the model reads.

        Raises:
            UserError: the picture cannot be read, or a name cannot be used.
        """
        p, side = self._protocol, self._architecture.model.resolution
        # As `fast` shows it: pictures of all sizes share one program, and large ones are not aliased.
        square = stretch(resize_shortest(as_pixels(image), p.short_side, p.longest_side), side)
        patches = np.asarray(_patches(Model(self._architecture), self._params["clip"], square[None])[0])
        if not classes:
            return DenseFeatures(patches, None)
        text = self.embed_text(classes)
        return DenseFeatures(patches, np.einsum("hwD,TPD->TPhw", patches, text))

    def _vocabulary(self, classes: Sequence[str], background: Sequence[str], synonyms: str) -> Vocabulary:
        if not classes and not self.classes:
            raise UserError("no classes are given, and the model does not say what it was trained with")
        return make_vocabulary(classes or self.classes, background, synonyms or self.synonyms)

    def _make_predictor(self, vocabulary: Vocabulary, fast: bool) -> Predictor:
        a = self._architecture
        told = replace(a, prompts=replace(a.prompts, synonyms=vocabulary.synonyms))
        protocol = replace(self._protocol, kind="single") if fast else self._protocol
        return Predictor(Model(told), self._params, vocabulary.phrases, self._mesh, protocol, self._kept)


def _told(
    pixels: np.ndarray,
    prediction: Prediction,
    vocabulary: Vocabulary,
    predictor: Predictor,
    threshold: float,
) -> Segmentation:
    """A prediction of phrases in the words of the vocabulary."""
    size = pixels.shape[:2]

    def probabilities() -> np.ndarray:
        needed = 4 * len(vocabulary.phrases) * pixels[..., 0].size
        if needed > _MOST_PROBABILITIES:
            raise UserError(
                f"probabilities of {len(vocabulary.phrases)} names at {size[1]} x {size[0]} pixels take "
                f"{needed / 2**30:.1f} GB; ask for fewer names, or make the picture smaller"
            )
        return vocabulary.probabilities_of(predictor.probabilities([pixels], [size])[0])

    ids = vocabulary.classes_of(prediction.ids)
    ids = np.where(prediction.probability < threshold, np.int32(IGNORE), ids)
    return Segmentation(pixels, vocabulary.classes, ids, prediction.probability, probabilities)


def as_pixels(image: Picture) -> np.ndarray:
    """A picture as uint8 [H, W, 3] RGB, upright.

    Args:
        image: a path, a PIL picture, or uint8 [H, W], [H, W, 3] or [H, W, 4].

    Raises:
        UserError: it cannot be read, or is an array of another kind.
    """
    if isinstance(image, (str, Path)):
        return read_picture(image)
    if isinstance(image, Image.Image):
        return rgb_array(image, "the picture")
    array = np.asarray(image)
    channels = array.shape[2:] in ((), (3,), (4,))
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not channels or not array.size:
        raise UserError(
            f"the picture is an array {array.dtype} {array.shape}; give uint8 [H, W, 3], RGB from 0 to 255"
        )
    return rgb_array(Image.fromarray(array), "the picture")


@functools.partial(jax.jit, static_argnums=0)
def _patches(model: Model, clip: Params, images: Array) -> Array:
    return unit(model.encode_image(clip, images).dense)
