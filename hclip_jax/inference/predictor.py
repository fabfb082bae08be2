"""Class ids or probabilities of images of any size, for one list of class names."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from hclip_jax.config.schema import InferenceProtocol
from hclip_jax.data.transforms import resize_shortest
from hclip_jax.inference import output, sliding_window
from hclip_jax.inference.exported import ExportedPrograms
from hclip_jax.inference.output import Prediction
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.models.hclip import Model
from hclip_jax.models.head.cost_volume import scatter_class_logits
from hclip_jax.models.head.head import ClassLogits
from hclip_jax.models.params import Params
from hclip_jax.ops import backend
from hclip_jax.sharding import DATA, RULES, named_sharding, place
from hclip_jax.text.prompts import Prompts, pad_classes, pad_prompts


class Predictor:
    """Segments images with a fixed list of class names, a batch at a time on all devices.

    The adapters are folded into CLIP and the prompts are encoded once, in the constructor.

    Attributes:
        num_classes: number of class names.
        text: text features float32 [T, P, D_e] of length 1; D_e is the width of CLIP's embedding space.
            T is `num_classes` or, with padding, more.
    """

    def __init__(
        self,
        model: Model,
        params: Params,
        prompts: Prompts,
        mesh: Mesh,
        protocol: InferenceProtocol,
        text_cache: TextCache | None = None,
        pad: bool = False,
        programs: ExportedPrograms | None = None,
    ):
        """Folds the adapters into CLIP and encodes the prompts.

        Args:
            model: the model.
            params: "clip", "head" and, unless they are merged, "adapters".
            prompts: prompts of T class names, from `Model.prompts`.
            mesh: devices to run on.
            protocol: how images become inputs of the model.
            text_cache: cache of text features; None = the prompts are always encoded.
            pad: whether to share compiled programs with lists of other lengths, by `pad_classes`; results are
                the same.
            programs: programs that later processes run without tracing them; None = they are traced.
        """
        self._programs = programs if mesh.size == 1 else None
        self._model, self._mesh, self._protocol = model, mesh, protocol
        self._head = params["head"]
        self._clip = fold_adapters(model, params)
        self.num_classes = prompts.num_classes
        # Data of the program, not part of it.
        self._real_classes = np.int32(prompts.num_classes) if pad else None
        if pad:
            a = model.architecture
            prompts = pad_classes(prompts, a.head.max_classes, a.clip.text.context_length)
        padded = pad_prompts(prompts, mesh.size)

        def encode() -> Array:
            return self._run(_encode_text, (model,), self._clip, place(padded, mesh, "prompts"))

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
        return self.segment_prepared(map(self.prepare, images), sizes)

    def segment_prepared(
        self, images: Iterable[np.ndarray], sizes: Sequence[tuple[int, int]]
    ) -> list[Prediction]:
        """`segment` of images that went through `prepare`."""
        return [
            output.most_probable(self._protocol, logits, self.num_classes, size)
            for size, logits in zip(sizes, self._logits_of_each(images), strict=False)
        ]

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
        return [
            output.probabilities(self._protocol, logits, self.num_classes, size)
            for size, logits in zip(sizes, self._logits_of_each(map(self.prepare, images)), strict=False)
        ]

    def _logits_of_each(self, images: Iterable[np.ndarray]) -> Iterator[Array]:
        """Logits [V, T, 4h, 4w] of one prepared image after another.

        A CPU gains nothing from several images together, and loses where their arrays exceed its caches:
        there each device has one. The program is then the same for batches of all sizes.
        """
        images = iter(images)
        together = self._mesh.shape[DATA] if backend.on_cpu() else None  # None = all
        while group := list(itertools.islice(images, together)):
            logits = self._logits(group)
            for i in range(len(group)):
                yield logits[i]

    def logits(self, images: Sequence[np.ndarray]) -> Array:
        """Logits float32 [B, V, T, 4h, 4w] of V views of each image, uint8 [H, W, 3] of any size.

        B is the number of images, rounded up to a multiple of the devices along "data". Padded classes have
        ABSENT_LOGIT.
        """
        return self._logits([self.prepare(image) for image in images])

    def _logits(self, views: list[np.ndarray]) -> Array:
        # Devices share the batch evenly; the results of the padding are dropped by the callers.
        views = views + [views[-1]] * (-len(views) % self._mesh.shape[DATA])
        batch = place(np.stack(views), self._mesh, "images")
        static = self._model, self._mesh, self._protocol.pooling
        args = self._clip, self._head, batch, self.text, self._real_classes
        return self._run(segment_views, static, *args)

    def _run(self, function: Callable[..., Array], static: tuple[object, ...], *args: Any) -> Array:
        """`function(*static, *args)`, which is jitted."""
        if self._programs is None:
            return function(*static, *args)
        return self._programs.run(partial(function, *static), (function.__name__, *static), *args)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Inputs of the model for an image uint8 [H, W, 3]: float32 [V, size, size, 3] from 0 to 255.

        Threads may call it, so that images are prepared while others are segmented.
        """
        p = self._protocol
        image = resize_shortest(image, p.shortest_edge, p.longest_edge)
        if p.kind == "single":
            return sliding_window.resize_square(image, self._model.architecture.model.image_size)[None]
        return sliding_window.window_views(image, p.canvas_size, p.crop_size, p.stride)


# Module-level functions are compiled once a model, not once a predictor: the evaluations during training
# share their programs.


def fold_adapters(model: Model, params: Params) -> Params:
    """CLIP with the adapters folded in; weights that they do not change are those of `params`, not copies."""
    if "adapters" not in params:
        return params["clip"]
    changed = _changed_weights(model, params)
    return jax.tree.map(
        lambda new, old: old if new is None else new, changed, params["clip"], is_leaf=lambda x: x is None
    )


def merge_adapters(model: Model, params: Params) -> Params:
    """`params` without "adapters", which are folded into "clip"; `params` itself if it has none."""
    if "adapters" not in params:
        return params
    return {"clip": fold_adapters(model, params), "head": params["head"]}


@partial(jax.jit, static_argnums=0)
def _changed_weights(model: Model, params: Params) -> Params:
    """The weights that the adapters change, and None for others, of which a program would return copies."""
    return jax.tree.map(lambda new, old: None if new is old else new, model.adapt(params), params["clip"])


@partial(jax.jit, static_argnums=0)
def _encode_text(model: Model, clip: Params, prompts: Prompts) -> Array:
    return model.encode_text(clip, prompts)


@partial(jax.jit, static_argnums=(0, 1, 2))
def segment_views(
    model: Model,
    mesh: Mesh,
    pooling: int,
    clip: Params,
    head: Params,
    views: Array,
    text: Array,
    real_classes: Array | None = None,
) -> Array:
    """Views [B, V, size, size, 3] -> logits [B, V, T, 4h, 4w]; memory holds one view of all images.

    `real_classes` as in `Model.class_logits`.
    """
    model = replace(model, sharded=True)

    def on_device(
        clip: Params, head: Params, views: Array, text: Array, real_classes: Array | None
    ) -> ClassLogits:
        def segment_view(view: Array) -> ClassLogits:
            with backend.forward_only(True):
                return model.class_logits(clip, head, view, text, pooling, real_classes)

        return cast(ClassLogits, jax.lax.map(segment_view, jnp.moveaxis(views, 1, 0)))

    whole = PartitionSpec()
    in_specs = (RULES["params"], RULES["params"], RULES["images"], RULES["text_features"], whole)
    out_specs = PartitionSpec(None, *RULES["logits"])
    # check_vma=False as in training: it rejects the custom gradients of ops/.
    sharded = jax.shard_map(on_device, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
    logits, class_ids = sharded(clip, head, views, text, real_classes)
    if class_ids is not None:
        logits = jax.vmap(partial(scatter_class_logits, num_classes=len(text)))(logits, class_ids)
    return jnp.moveaxis(logits, 0, 1)
