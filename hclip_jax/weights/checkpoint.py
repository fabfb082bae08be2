"""A model that is still on disk: what it is, and its parameters by path."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from hclip_jax.config.schema import Architecture, ClipConfig, InferenceProtocol
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model, init_clip
from hclip_jax.weights.layouts.layout import unflatten
from hclip_jax.weights.lazy_array import LazyArray

PARTS = ("clip", "adapters", "head")


class ModelSpec(NamedTuple):
    """What a model needs beside CLIP to segment."""

    architecture: Architecture
    protocol: InferenceProtocol
    class_names: tuple[str, ...]  # it was trained with; empty if nobody knows


@dataclass(frozen=True)
class Checkpoint:
    """Parameters by path, "clip/image/projection", and what they are the parameters of."""

    where: str  # in messages
    source: str  # what the weights once came from
    clip: ClipConfig
    spec: ModelSpec | None  # None: CLIP alone
    params: Mapping[str, LazyArray]
    base: str = ""  # fingerprint of the CLIP that adapters without CLIP belong to
    unused: tuple[str, ...] = ()  # names of the file that hold nothing learnt
    activation_assumed: bool = False  # the file does not say it

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of clip, adapters and head there are."""
        return tuple(part for part in PARTS if any(path.startswith(f"{part}/") for path in self.params))

    def only(self, *parts: str) -> "Checkpoint":
        """The same with fewer parts."""
        leaves = {path: leaf for path, leaf in self.params.items() if path.split("/")[0] in parts}
        return replace(self, params=leaves)

    def require_spec(self) -> ModelSpec:
        """What it needs to segment.

        Raises:
            UserError: it is CLIP alone, or adapters without CLIP.
        """
        if self.spec is None or "head" not in self.parts:
            raise UserError(
                f"{self.where} holds CLIP alone, which cannot segment; train a head on it with "
                f"--config.clip.weights={self.where}, or give a trained model"
            )
        self.require_clip()
        return self.spec

    def require_clip(self) -> None:
        """Raises UserError if it is adapters without CLIP."""
        if "clip" not in self.parts:
            raise UserError(
                f"{self.where} holds adapters without CLIP; give the CLIP they were trained on as --base"
            )

    def on_base(self, base: "Checkpoint") -> "Checkpoint":
        """Adapters and head with the CLIP they were trained on.

        Raises:
            UserError: `self` has a CLIP already, or `base` is not that CLIP, or has none.
        """
        if "clip" in self.parts:
            raise UserError(f"{self.where} has a CLIP of its own; leave --base out")
        base.require_clip()
        found = base.fingerprint()
        if found != self.base:
            raise UserError(
                f"{base.where} is not the CLIP that {self.where} was trained on (its weights have the "
                f"fingerprint {found[:16]}, wanted is {self.base[:16]}); give that one as --base"
            )
        return replace(self, params={**base.only("clip").params, **self.params})

    def fingerprint(self) -> str:
        """sha256 of CLIP's weights, whatever file and dtype they lie in: of paths, shapes, float32 values."""
        if "clip" not in self.parts:
            return self.base
        digest = hashlib.sha256()
        for path, leaf in sorted(self.only("clip").params.items()):
            value = np.asarray(leaf, np.float32)
            digest.update(f"{path}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def load_params(self) -> Any:
        """The parameters in memory: our tree of float32 arrays."""
        return unflatten({path: np.asarray(leaf, np.float32) for path, leaf in self.params.items()})


@functools.lru_cache(maxsize=4)
def expected(clip: ClipConfig, architecture: Architecture | None, parts: frozenset[str]) -> Any:
    """Our tree of shapes, of some parts of a model; without an architecture there is only CLIP."""
    rng = jax.random.key(0)
    if architecture is None:
        return {"clip": jax.eval_shape(lambda r: init_clip(clip, r, r), rng)}
    # Shapes do not depend on the resolution, and of one patch they are found quickly.
    patch = replace(architecture.model, image_size=architecture.clip.image.patch_size)
    shapes = jax.eval_shape(Model(replace(architecture, model=patch)).init, rng)
    return {part: tree for part, tree in shapes.items() if part in parts}
