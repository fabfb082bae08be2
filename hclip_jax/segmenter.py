"""The Python interface: an image and class names in, labels out."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh

from hclip_jax import runtime
from hclip_jax.config.schema import ClipConfig, InferenceProtocol
from hclip_jax.data.transforms import resize_shortest
from hclip_jax.errors import UserError
from hclip_jax.images.image_like import ImageLike, as_rgb
from hclip_jax.images.open_image import MAX_MEGAPIXELS
from hclip_jax.inference.exported import ExportedPrograms
from hclip_jax.inference.predictor import Predictor, fold_adapters
from hclip_jax.inference.segment_images import Settings, segment_images
from hclip_jax.inference.segmentation import Segmentation
from hclip_jax.inference.sliding_window import resize_square
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.inference.tiles import MIN_TILE
from hclip_jax.io.code_digest import code_digest
from hclip_jax.load import open_model
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.ops.normalization import l2_normalize
from hclip_jax.sharding import make_mesh, place
from hclip_jax.text.class_groups import ClassGroups, group_class_names
from hclip_jax.text.prompts import average_templates, make_prompts


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
        clip = fold_adapters(model, placed)
        self._params = {"clip": clip, "head": placed["head"]}
        # A change of the code may change the features.
        a = model.architecture
        self._text_cache = TextCache(clip["text"], code_digest(), a.clip, a.model.dtype)
        self._programs = ExportedPrograms()
        self._predictor = functools.lru_cache(maxsize=8)(self._make_predictor)

    @classmethod
    def load(
        cls,
        model: str | Path,
        base: str | Path | None = None,
        dtype: str = "",
        checkpoint: int | str | None = None,
    ) -> "Segmenter":
        """Loads a model from disk.

        Args:
            model: a model directory, a work directory, a file of CAT-Seg or H-CLIP, or the name of one of
                these on the Hugging Face Hub, such as "hf:me/tiny".
            base: the CLIP of a model directory that holds adapters without CLIP.
            dtype: dtype of the towers' activations, "float32" or "bfloat16"; by default that of the training,
                as it always is for the head.
            checkpoint: step of the checkpoint of a work directory, or "best"; the newest by default.

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
        templates: Sequence[str] = (),
        threshold: float = 0.0,
        fast: bool = False,
        tile: int = 0,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> Segmentation:
        """Segments one image; arguments and errors as in `many`."""
        results = self.many(
            [image],
            class_names,
            batch_size=1,
            background=background,
            synonyms=synonyms,
            templates=templates,
            threshold=threshold,
            fast=fast,
            tile=tile,
            max_megapixels=max_megapixels,
        )
        return next(results)

    def many(
        self,
        images: Iterable[ImageLike],
        class_names: Sequence[str] = (),
        *,
        batch_size: int = 4,
        background: Sequence[str] = (),
        synonyms: str = "",
        templates: Sequence[str] = (),
        threshold: float = 0.0,
        fast: bool = False,
        tile: int = 0,
        max_megapixels: float = MAX_MEGAPIXELS,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> Iterator[Segmentation]:
        """Segments images lazily, `batch_size` at a time.

        Args:
            images: the images, see `ImageLike`.
            class_names: T names in the order of their ids, with synonyms separated by ", "; by default those
                of the training.
            batch_size: images or tiles in a batch on the devices; memory grows with it.
            background: names that are none of the classes; together they become one more class, the last.
            synonyms: first | mean | max, see `group_class_names`; by default that of the training.
            templates: prompt templates with one "{}" each; by default those of the training. The features of
                several are averaged where the training had one; where it had P, only P others can be used.
            threshold: pixels whose most probable class has a lower probability are unknown.
            fast: one view of the whole image instead of the published sliding window.
            tile: images with a longer edge are segmented in overlapping tiles of this size in pixels, each as
                an image of its own, which finds smaller things; 0 = whole images.
            max_megapixels: larger images are refused.
            on_progress: called with the share of an image that has been segmented since the last call.

        Raises:
            UserError: an image cannot be read or is too large, a class name or template cannot be used, or an
                option is out of range.
        """
        if not 0 <= threshold <= 1:
            raise UserError(f"threshold is {threshold}; it must be a probability, from 0 to 1")
        if batch_size < 1:
            raise UserError(f"batch_size is {batch_size}; it must be 1 or more")
        if tile != 0 and tile < MIN_TILE:
            raise UserError(f"tile is {tile}; it must be {MIN_TILE} pixels or more, or 0 for whole images")
        if not max_megapixels > 0:
            raise UserError(f"max_megapixels is {max_megapixels}; it must be more than 0")
        groups = self._group(class_names, background, synonyms)
        predictor = self._predictor(groups, fast=fast, templates=tuple(templates))
        arrays = map(functools.partial(as_rgb, max_megapixels=max_megapixels), images)
        settings = Settings(groups, predictor, batch_size, threshold, tile, on_progress)
        return segment_images(arrays, settings)

    def embed_text(
        self, class_names: Sequence[str], synonyms: str = "", templates: Sequence[str] = ()
    ) -> np.ndarray:
        """Text features float32 [T, P, D_e] of length 1, for P templates.

        Args:
            class_names: T names, with synonyms separated by ", ".
            synonyms: first | mean; by default that of the training.
            templates: as in `many`.

        Raises:
            UserError: a class name or template cannot be used, or `synonyms` is another.
        """
        if synonyms == "max":
            raise UserError("synonyms is 'max', which has no single feature a class; choose first or mean")
        groups = group_class_names(class_names, (), synonyms or self._default_synonyms)
        # Names that CLIP reads as the same words share a row of `text`.
        rows = [members[0] for members in groups.groups]
        return np.asarray(self._predictor(groups, fast=True, templates=tuple(templates)).text)[rows]

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
    def clip(self) -> ClipConfig:
        """Sizes of the CLIP that the model was trained on."""
        return self._model.architecture.clip

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

    def _make_predictor(self, groups: ClassGroups, fast: bool, templates: tuple[str, ...]) -> Predictor:
        a = self._model.architecture
        trained = a.prompts.templates
        templates = templates or trained
        prompts = make_prompts(groups.members, templates, groups.synonyms, a.clip.text.context_length)
        if len(templates) != len(trained):
            if len(trained) > 1:
                raise UserError(
                    f"the number of templates is {len(templates)}, but the model was trained with "
                    f"{len(trained)} that its head distinguishes; give {len(trained)}, or none for its own"
                )
            prompts = average_templates(prompts)
        protocol = replace(self._protocol, kind="single") if fast else self._protocol
        # The names of the training are asked often enough for a program of their own, without padding.
        pad = groups.members != self.class_names or templates != trained
        caches = {"text_cache": self._text_cache, "programs": self._programs}
        return Predictor(self._model, self._params, prompts, self._mesh, protocol, pad=pad, **caches)


@functools.partial(jax.jit, static_argnums=0)
def _patch_features(model: Model, clip: Params, images: Array) -> Array:
    return l2_normalize(model.encode_image(clip, images).patch_features)
