"""The Python interface: an image and class names in, labels out."""

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
from hclip_jax.config.schema import InferenceProtocol
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
from hclip_jax.text.prompts import make_prompts
from hclip_jax.version import __version__

ImageLike = str | Path | Image.Image | np.ndarray
"""A path, a PIL image, or uint8 [H, W], [H, W, 3] or [H, W, 4] of any size."""

_MAX_PROBABILITY_BYTES = 2**32  # of one image


class PatchFeatures(NamedTuple):
    """CLIP's features of an image of h x w patches; D_e is the width of CLIP's embedding space."""

    patches: np.ndarray  # float32 [h, w, D_e], of length 1
    cost: np.ndarray | None  # float32 [T, P, h, w], cosines with the text features


class Segmenter:
    """Labels the pixels of images with any class names.

    The text features of a list of class names are computed once and reused for further images.

    >>> import numpy as np
    >>> from hclip_jax import Model, Segmenter
    >>> from hclip_jax.config.overrides import read_config
    >>> from hclip_jax.sharding import make_mesh
    >>> from hclip_jax.training.init import initial_params
    >>> config = read_config("tiny")
    >>> model = Model(config.architecture)
    >>> params = initial_params(model, config.seed, make_mesh(1))  # untrained; `load` loads trained ones
    >>> segmenter = Segmenter(model, params, config.protocol)
    >>> image = np.zeros((48, 64, 3), np.uint8)
    >>> result = segmenter(image, ["cat", "traffic light", "sky, clouds"])
    >>> result.class_names
    ('cat', 'traffic light', 'sky, clouds')
    >>> result.ids.shape, result.probabilities.shape
    ((48, 64), (3, 48, 64))
    """

    def __init__(
        self,
        model: Model,
        params: Params,
        protocol: InferenceProtocol,
        class_names: tuple[str, ...] = (),
        mesh: Mesh | None = None,
    ):
        """Folds the adapters into CLIP; `Segmenter.load` loads a model from disk.

        Args:
            model: the model.
            params: its parameters; without "adapters" if they are merged.
            protocol: how images become inputs of the model.
            class_names: class names of the training, which are the default.
            mesh: devices to run on; the first device by default.
        """
        self.class_names = class_names
        self._model, self._protocol = model, protocol
        self._mesh = mesh or make_mesh(1)
        placed = place(params, self._mesh, "params")
        self._params = {"clip": jax.jit(model.adapt)(placed), "head": placed["head"]}
        # The version is in the key because a change of the code may change the features.
        a = model.architecture
        self._text_cache = TextCache(self._params["clip"]["text"], __version__, a.clip, a.model.dtype)
        self._predictor = functools.lru_cache(maxsize=8)(self._make_predictor)

    @classmethod
    def load(
        cls,
        model: str | Path,
        base: str | Path | None = None,
        dtype: str = "",
        checkpoint: int | None = None,
    ) -> "Segmenter":
        """Loads a model from disk.

        Args:
            model: a model directory, a work directory, or a file of CAT-Seg or H-CLIP.
            base: the CLIP of a model directory that holds adapters without CLIP.
            dtype: dtype of the towers' activations, "float32" or "bfloat16"; by default that of the training,
                as it always is for the head.
            checkpoint: step of the checkpoint of a work directory; the newest by default.

        Raises:
            UserError: the model cannot be read or has no segmentation head, or `dtype` is another.
        """
        if dtype not in ("", "float32", "bfloat16"):
            raise UserError(f"dtype is {dtype!r}; it must be float32 or bfloat16")
        runtime.prepare()
        opened = open_model(model, base, checkpoint=checkpoint)
        architecture, protocol, class_names = opened.require_spec()
        if dtype:
            architecture = replace(architecture, model=replace(architecture.model, dtype=dtype))
        return cls(Model(architecture), opened.load_params(), protocol, class_names)

    def __call__(
        self,
        image: ImageLike,
        class_names: Sequence[str] = (),
        *,
        background: Sequence[str] = (),
        synonyms: str = "",
        threshold: float = 0.0,
        fast: bool = False,
    ) -> Segmentation:
        """Segments one image; arguments and errors as in `many`."""
        options = {"background": background, "synonyms": synonyms, "threshold": threshold, "fast": fast}
        return next(self.many([image], class_names, batch_size=1, **options))

    def many(
        self,
        images: Iterable[ImageLike],
        class_names: Sequence[str] = (),
        *,
        batch_size: int = 4,
        background: Sequence[str] = (),
        synonyms: str = "",
        threshold: float = 0.0,
        fast: bool = False,
    ) -> Iterator[Segmentation]:
        """Segments images lazily, `batch_size` at a time.

        Args:
            images: the images, see `ImageLike`.
            class_names: T names in the order of their ids, with synonyms separated by ", "; by default those
                of the training.
            batch_size: images in a batch on the devices; memory grows with it.
            background: names that are none of the classes; together they become one more class, the last.
            synonyms: first | mean | max, see `group_class_names`; by default that of the training.
            threshold: pixels whose most probable class has a lower probability are unknown.
            fast: one view of the whole image instead of the published sliding window.

        Raises:
            UserError: an image cannot be read, a class name cannot be used, or an option is out of range.
        """
        if not 0 <= threshold <= 1:
            raise UserError(f"threshold is {threshold}; it must be a probability, from 0 to 1")
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; it must be 1 or more")
        groups = self._group(class_names, background, synonyms)
        predictor = self._predictor(groups, fast=fast)
        return self._segment(iter(images), groups, predictor, batch_size, threshold)

    def embed_text(self, class_names: Sequence[str], synonyms: str = "") -> np.ndarray:
        """Text features float32 [T, P, D_e] of length 1, for P templates.

        Args:
            class_names: T names, with synonyms separated by ", ".
            synonyms: first | mean; by default that of the training.

        Raises:
            UserError: a class name cannot be used, or `synonyms` is another.
        """
        if synonyms == "max":
            raise UserError("synonyms is 'max', which has no single feature a class; choose first or mean")
        groups = group_class_names(class_names, (), synonyms or self._default_synonyms)
        # Names that CLIP reads as the same words share a row of `text`.
        rows = [members[0] for members in groups.groups]
        return np.asarray(self._predictor(groups, fast=True).text)[rows]

    def patch_features(self, image: ImageLike, class_names: Sequence[str] = ()) -> PatchFeatures:
        """Patch features in CLIP's embedding space, and their cosines with the text features of class names.

        The whole image is one view, resized to the square input of the model.

        Raises:
            UserError: the image cannot be read, or a class name cannot be used.
        """
        p, size = self._protocol, self._model.architecture.model.image_size
        # Resized as with `fast`: images of all sizes share one program, and large ones are not aliased.
        square = resize_square(resize_shortest(as_rgb(image), p.shortest_edge, p.longest_edge), size)
        patches = np.asarray(_patch_features(self._model, self._params["clip"], square[None])[0])
        if not class_names:
            return PatchFeatures(patches, None)
        text = self.embed_text(class_names)
        return PatchFeatures(patches, np.einsum("hwD,TPD->TPhw", patches, text))

    @property
    def _default_synonyms(self) -> str:
        return self._model.architecture.prompts.synonyms

    def _group(self, class_names: Sequence[str], background: Sequence[str], synonyms: str) -> ClassGroups:
        if not class_names and not self.class_names:
            raise UserError(
                "no class names are given, and the model has none from its training; give class names"
            )
        return group_class_names(
            class_names or self.class_names, background, synonyms or self._default_synonyms
        )

    def _make_predictor(self, groups: ClassGroups, fast: bool) -> Predictor:
        a = self._model.architecture
        prompts = make_prompts(
            groups.members, a.prompts.templates, groups.synonyms, a.clip.text.context_length
        )
        protocol = replace(self._protocol, kind="single") if fast else self._protocol
        return Predictor(self._model, self._params, prompts, self._mesh, protocol, self._text_cache)

    def _segment(
        self,
        images: Iterator[ImageLike],
        groups: ClassGroups,
        predictor: Predictor,
        batch_size: int,
        threshold: float,
    ) -> Iterator[Segmentation]:
        is_first_batch = True
        while batch := [as_rgb(image) for image in itertools.islice(images, batch_size)]:
            # A smaller last batch is filled up, so that it uses the compiled program of the others.
            padding = [] if is_first_batch else [batch[-1]] * (batch_size - len(batch))
            is_first_batch = False
            predictions = predictor.segment(batch + padding, [image.shape[:2] for image in batch])
            for image, prediction in zip(batch, predictions, strict=True):
                yield _to_segmentation(image, prediction, groups, predictor, threshold)


def as_rgb(image: ImageLike) -> np.ndarray:
    """An image as uint8 [H, W, 3] RGB, upright.

    Raises:
        UserError: the image cannot be read, or is an array of another shape or dtype.
    """
    if isinstance(image, (str, Path)):
        return read_image(image)
    if isinstance(image, Image.Image):
        return to_rgb_array(image, "the image")
    array = np.asarray(image)
    has_channels = array.shape[2:] in ((), (3,), (4,))
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not has_channels or not array.size:
        raise UserError(
            f"the image is an array {array.dtype} {array.shape}; give uint8 [H, W, 3], RGB from 0 to 255"
        )
    return to_rgb_array(Image.fromarray(array), "the image")


def _to_segmentation(
    image: np.ndarray,
    prediction: Prediction,
    groups: ClassGroups,
    predictor: Predictor,
    threshold: float,
) -> Segmentation:
    """Converts the prediction of members of `groups` to a segmentation with its classes."""
    height, width = image.shape[:2]

    def probabilities() -> np.ndarray:
        num_bytes = 4 * len(groups.members) * height * width
        if num_bytes > _MAX_PROBABILITY_BYTES:
            raise UserError(
                f"probabilities of {len(groups.members)} names at {width} x {height} pixels take "
                f"{num_bytes / 2**30:.1f} GB; give fewer names or a smaller image"
            )
        return groups.to_class_probabilities(predictor.probabilities([image], [(height, width)])[0])

    ids = groups.to_class_ids(prediction.ids)
    ids = np.where(prediction.probability < threshold, np.int32(IGNORE), ids)
    return Segmentation(image, groups.class_names, ids, prediction.probability, probabilities)


@functools.partial(jax.jit, static_argnums=0)
def _patch_features(model: Model, clip: Params, images: Array) -> Array:
    return l2_normalize(model.encode_image(clip, images).patch_features)
