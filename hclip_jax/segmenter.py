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

from hclip_jax import runtime
from hclip_jax.config.schema import Architecture, InferenceProtocol
from hclip_jax.data.image_io import read_image, to_rgb_array
from hclip_jax.data.transforms import resize_shortest
from hclip_jax.data.types import IGNORE
from hclip_jax.errors import UserError
from hclip_jax.inference.predictor import Prediction, Predictor
from hclip_jax.inference.segmentation import Segmentation
from hclip_jax.inference.sliding_window import resize_square
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.load import open_model
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.sharding import make_mesh, place
from hclip_jax.text.class_groups import ClassGroups, group_class_names
from hclip_jax.version import __version__

Picture = str | Path | Image.Image | np.ndarray

_MOST_PROBABILITIES = 2**32  # bytes of one picture's probabilities


class PatchFeatures(NamedTuple):
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
        protocol: InferenceProtocol,
        class_names: tuple[str, ...] = (),
        mesh: Mesh | None = None,
    ):
        """Takes a model that is in memory; `Segmenter.load` reads one.

        Args:
            architecture: what the model is.
            params: its parameters.
            protocol: how pictures are shown to it.
            class_names: it was trained with.
            mesh: devices to run on; the first one by default.
        """
        self.class_names = class_names
        self.synonyms = architecture.prompts.synonyms
        self._protocol = protocol
        self._architecture = architecture
        self._mesh = mesh or make_mesh(1)
        model = Model(architecture)
        placed = place(params, self._mesh, "params")
        self._params = {"clip": jax.jit(model.adapt)(placed), "head": placed["head"]}
        a = architecture
        # With the version, since a change of the code may change what is computed.
        self._kept = TextCache(self._params["clip"]["text"], __version__, a.clip, a.model.dtype)
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
        runtime.prepare()
        stored = open_model(model, base)
        architecture, protocol, class_names = stored.require_spec()
        if dtype not in ("", "float32", "bfloat16"):
            raise UserError(f"dtype is {dtype!r}; it must be float32 or bfloat16")
        if dtype:
            architecture = replace(architecture, model=replace(architecture.model, dtype=dtype))
        return cls(architecture, stored.load_params(), protocol, class_names)

    def __call__(
        self,
        image: Picture,
        class_names: Sequence[str] = (),
        *,
        background: Sequence[str] = (),
        synonyms: str = "",
        threshold: float = 0.0,
        fast: bool = False,
    ) -> Segmentation:
        """Segments a picture; see `many`."""
        options = {"background": background, "synonyms": synonyms, "threshold": threshold, "fast": fast}
        return next(self.many([image], class_names, batch=1, **options))

    def many(
        self,
        images: Iterable[Picture],
        class_names: Sequence[str] = (),
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
            class_names: T names in the order of their ids, synonyms separated by ", "; those the model was
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
        groups = self._group(class_names, background, synonyms)
        predictor = self._predictor(groups, fast=fast)
        return self._segment(iter(images), groups, predictor, batch, threshold)

    def _segment(
        self,
        images: Iterator[Picture],
        groups: ClassGroups,
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
                yield _told(pixels, prediction, groups, predictor, threshold)

    def embed_text(self, class_names: Sequence[str], synonyms: str = "") -> np.ndarray:
        """Text features float32 [T, P, D_e] of length 1, with P templates a class.

        Args:
            class_names: T names, synonyms separated by ", ".
            synonyms: first | mean; what the model was trained with by default.

        Raises:
            UserError: a name cannot be used.
        """
        if synonyms == "max":
            raise UserError("synonyms is 'max', which has no single feature a class; choose first or mean")
        groups = group_class_names(class_names, (), synonyms or self.synonyms)
        return np.asarray(self._predictor(groups, fast=True).text)

    def patch_features(self, image: Picture, class_names: Sequence[str] = ()) -> PatchFeatures:
        """Patch features in the space of the words, and their cosines with `classes` if there are any.

        The whole picture is shown at once, stretched to the square that the model reads.

        Raises:
            UserError: the picture cannot be read, or a name cannot be used.
        """
        p, side = self._protocol, self._architecture.model.image_size
        # As `fast` shows it: pictures of all sizes share one program, and large ones are not aliased.
        square = resize_square(resize_shortest(as_pixels(image), p.shortest_edge, p.longest_edge), side)
        patches = np.asarray(_patches(Model(self._architecture), self._params["clip"], square[None])[0])
        if not class_names:
            return PatchFeatures(patches, None)
        text = self.embed_text(class_names)
        return PatchFeatures(patches, np.einsum("hwD,TPD->TPhw", patches, text))

    def _group(self, class_names: Sequence[str], background: Sequence[str], synonyms: str) -> ClassGroups:
        if not class_names and not self.class_names:
            raise UserError("no classes are given, and the model does not say what it was trained with")
        return group_class_names(class_names or self.class_names, background, synonyms or self.synonyms)

    def _make_predictor(self, groups: ClassGroups, fast: bool) -> Predictor:
        a = self._architecture
        told = replace(a, prompts=replace(a.prompts, synonyms=groups.synonyms))
        protocol = replace(self._protocol, kind="single") if fast else self._protocol
        return Predictor(Model(told), self._params, groups.members, self._mesh, protocol, self._kept)


def _told(
    pixels: np.ndarray,
    prediction: Prediction,
    groups: ClassGroups,
    predictor: Predictor,
    threshold: float,
) -> Segmentation:
    """A prediction of phrases in the words of the groups."""
    size = pixels.shape[:2]

    def probabilities() -> np.ndarray:
        needed = 4 * len(groups.members) * pixels[..., 0].size
        if needed > _MOST_PROBABILITIES:
            raise UserError(
                f"probabilities of {len(groups.members)} names at {size[1]} x {size[0]} pixels take "
                f"{needed / 2**30:.1f} GB; ask for fewer names, or make the picture smaller"
            )
        return groups.to_class_probabilities(predictor.probabilities([pixels], [size])[0])

    ids = groups.to_class_ids(prediction.ids)
    ids = np.where(prediction.probability < threshold, np.int32(IGNORE), ids)
    return Segmentation(pixels, groups.class_names, ids, prediction.probability, probabilities)


def as_pixels(image: Picture) -> np.ndarray:
    """A picture as uint8 [H, W, 3] RGB, upright.

    Args:
        image: a path, a PIL picture, or uint8 [H, W], [H, W, 3] or [H, W, 4].

    Raises:
        UserError: it cannot be read, or is an array of another kind.
    """
    if isinstance(image, (str, Path)):
        return read_image(image)
    if isinstance(image, Image.Image):
        return to_rgb_array(image, "the picture")
    array = np.asarray(image)
    channels = array.shape[2:] in ((), (3,), (4,))
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not channels or not array.size:
        raise UserError(
            f"the picture is an array {array.dtype} {array.shape}; give uint8 [H, W, 3], RGB from 0 to 255"
        )
    return to_rgb_array(Image.fromarray(array), "the picture")


@functools.partial(jax.jit, static_argnums=0)
def _patches(model: Model, clip: Params, images: Array) -> Array:
    return l2_normalize(model.encode_image(clip, images).patch_features)
