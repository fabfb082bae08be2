"""A model whose parameters are still on disk."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from hclip_jax.config.schema import Architecture, ClipConfig, InferenceProtocol
from hclip_jax.errors import UserError
from hclip_jax.io.cache_entries import digest, read_entry, write_entry
from hclip_jax.io.code_digest import code_digest
from hclip_jax.models.hclip import Model, init_clip
from hclip_jax.models.params import Params
from hclip_jax.weights.lazy_array import LazyArray

PARTS = ("clip", "adapters", "head")

_MAX_SHAPES_BYTES = 2**23  # some kB a model


class ModelSpec(NamedTuple):
    """The description of a segmenter, beside its parameters."""

    architecture: Architecture
    protocol: InferenceProtocol
    class_names: tuple[str, ...]  # of the training; empty if unknown


@dataclass(frozen=True)
class Checkpoint:
    """Parameters by path and the description of their model.

    Attributes:
        where: name in messages.
        source: origin of the weights.
        clip: configuration of CLIP.
        spec: description of the segmenter; None for CLIP alone.
        params: path such as "clip/image/projection" -> parameter.
        base_fingerprint: of adapters without CLIP: fingerprint of the CLIP they were trained on.
        buffers: names of the file that are no parameters and were ignored.
        objects: classes of objects beside the weights, which were not read.
        activation_assumed: whether the activation is a default, because neither the file nor the caller
            states it.
    """

    where: str
    source: str
    clip: ClipConfig
    spec: ModelSpec | None
    params: Mapping[str, LazyArray]
    base_fingerprint: str = ""
    buffers: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    activation_assumed: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Those of clip, adapters and head that have parameters."""
        return tuple(part for part in PARTS if any(path.startswith(f"{part}/") for path in self.params))

    def only(self, *parts: str) -> "Checkpoint":
        """A copy with the parameters of some parts."""
        return replace(
            self, params={path: x for path, x in self.params.items() if path.split("/")[0] in parts}
        )

    def require_spec(self) -> ModelSpec:
        """Returns the description of the segmenter.

        Raises:
            UserError: the model is CLIP alone, or adapters without CLIP.
        """
        if self.spec is None or "head" not in self.parts:
            raise UserError(
                f"{self.where} holds CLIP alone, which cannot segment; train a head on it (hclip train with "
                f"it as --config.clip.weights), or give a trained model"
            )
        self.require_clip()
        return self.spec

    def require_clip(self) -> None:
        """Raises UserError if the model is adapters without CLIP."""
        if "clip" not in self.parts:
            raise UserError(
                f"{self.where} holds adapters without CLIP; give the CLIP they were trained on as --base"
            )

    def on_base(self, base: "Checkpoint") -> "Checkpoint":
        """Adapters and head with the CLIP they were trained on.

        Raises:
            UserError: `self` has CLIP already, or `base` is another CLIP or has none.
        """
        if "clip" in self.parts:
            raise UserError(f"{self.where} has a CLIP of its own; leave --base out")
        base.require_clip()
        fingerprint = base.fingerprint()
        if fingerprint != self.base_fingerprint:
            raise UserError(
                f"{base.where} is not the CLIP that {self.where} was trained on (the fingerprint of its "
                f"weights is {fingerprint[:16]}, it must be {self.base_fingerprint[:16]}); give that CLIP as "
                f"--base"
            )
        return replace(self, params={**base.only("clip").params, **self.params})

    def fingerprint(self) -> str:
        """The sha256 of CLIP's paths, shapes and float32 values: independent of file format and dtype."""
        if "clip" not in self.parts:
            return self.base_fingerprint
        return fingerprint(self.only("clip").params)

    def load_params(self) -> Params:
        """Loads the parameter tree, float32."""
        return unflatten_dict({p: np.asarray(x, np.float32) for p, x in self.params.items()}, sep="/")


def fingerprint(params: Mapping[str, Any]) -> str:
    """The sha256 of paths, shapes and float32 values: independent of file format and dtype."""
    digest = hashlib.sha256()
    for path, param in sorted(params.items()):
        value = np.asarray(param, np.float32)
        digest.update(f"{path}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


@functools.lru_cache(maxsize=4)
def param_shapes(
    clip: ClipConfig, architecture: Architecture | None, parts: frozenset[str]
) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the parameters of a model by path, without initialising them.

    Tracing the model for them takes longer than reading its weights, so they are in the cache folder.

    Args:
        clip: configuration of CLIP.
        architecture: the segmenter; None for CLIP alone.
        parts: those of clip, adapters and head to return; only read if there is an architecture.
    """
    key = digest(code_digest(), clip, architecture, sorted(parts))
    content = read_entry("shapes", key)
    if content is not None:
        return {path: tuple(shape) for path, shape in json.loads(content).items()}
    shapes = _trace_shapes(clip, architecture, parts)
    write_entry("shapes", key, json.dumps(shapes).encode(), _MAX_SHAPES_BYTES)
    return shapes


def _trace_shapes(
    clip: ClipConfig, architecture: Architecture | None, parts: frozenset[str]
) -> dict[str, tuple[int, ...]]:
    rng = jax.random.key(0)
    if architecture is None:
        tree = {"clip": jax.eval_shape(lambda r: init_clip(clip, r, r), rng)}
    else:
        # Shapes do not depend on the image size; one patch is traced fastest.
        patch = replace(architecture.model, image_size=architecture.clip.image.patch_size)
        tree = jax.eval_shape(Model(replace(architecture, model=patch)).init, rng)
        tree = {part: tree[part] for part in PARTS if part in parts}
    params: Any = flatten_dict(tree, sep="/")
    return {path: param.shape for path, param in params.items()}
