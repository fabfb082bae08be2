"""A model that is still on disk: what it is, and its parameters by path."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from hclip_jax.config.schema import Architecture, ClipConfig, Protocol
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model, init_clip
from hclip_jax.weights.layouts.layout import unflatten
from hclip_jax.weights.lazy_array import Stored

PARTS = ("clip", "adapters", "head")


class Segmenting(NamedTuple):
    """What a model needs beside CLIP to segment."""

    architecture: Architecture
    protocol: Protocol
    classes: tuple[str, ...]  # it was trained with; empty if nobody knows


@dataclass(frozen=True)
class StoredModel:
    """Parameters by path, "clip/image/projection", and what they are the parameters of."""

    where: str  # in messages
    source: str  # what the weights once came from
    clip: ClipConfig
    segmenting: Segmenting | None  # None: CLIP alone
    leaves: Mapping[str, Stored]
    base: str = ""  # fingerprint of the CLIP that adapters without CLIP belong to
    unused: tuple[str, ...] = ()  # names of the file that hold nothing learnt
    activation_assumed: bool = False  # the file does not say it

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of clip, adapters and head there are."""
        return tuple(part for part in PARTS if any(path.startswith(f"{part}/") for path in self.leaves))

    def only(self, *parts: str) -> "StoredModel":
        """The same with fewer parts."""
        leaves = {path: leaf for path, leaf in self.leaves.items() if path.split("/")[0] in parts}
        return replace(self, leaves=leaves)

    def need_segmenting(self) -> Segmenting:
        """What it needs to segment.

        Raises:
            UserError: it is CLIP alone, or adapters without CLIP.
        """
        if self.segmenting is None or "head" not in self.parts:
            raise UserError(
                f"{self.where} holds CLIP alone, which cannot segment; train a head on it with "
                f"--config.clip.weights={self.where}, or give a trained model"
            )
        self.need_clip()
        return self.segmenting

    def need_clip(self) -> None:
        """Raises UserError if it is adapters without CLIP."""
        if "clip" not in self.parts:
            raise UserError(
                f"{self.where} holds adapters without CLIP; give the CLIP they were trained on as --base"
            )

    def on_base(self, base: "StoredModel") -> "StoredModel":
        """Adapters and head with the CLIP they were trained on.

        Raises:
            UserError: `self` has a CLIP already, or `base` is not that CLIP, or has none.
        """
        if "clip" in self.parts:
            raise UserError(f"{self.where} has a CLIP of its own; leave --base out")
        base.need_clip()
        found = base.fingerprint()
        if found != self.base:
            raise UserError(
                f"{base.where} is not the CLIP that {self.where} was trained on (its weights have the "
                f"fingerprint {found[:16]}, wanted is {self.base[:16]}); give that one as --base"
            )
        return replace(self, leaves={**base.only("clip").leaves, **self.leaves})

    def fingerprint(self) -> str:
        """sha256 of CLIP's weights, whatever file and dtype they lie in: of paths, shapes, float32 values."""
        if "clip" not in self.parts:
            return self.base
        digest = hashlib.sha256()
        for path, leaf in sorted(self.only("clip").leaves.items()):
            value = np.asarray(leaf, np.float32)
            digest.update(f"{path}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def params(self) -> Any:
        """The parameters in memory: our tree of float32 arrays."""
        return unflatten({path: np.asarray(leaf, np.float32) for path, leaf in self.leaves.items()})


@functools.lru_cache(maxsize=4)
def expected(clip: ClipConfig, architecture: Architecture | None, parts: frozenset[str]) -> Any:
    """Our tree of shapes, of some parts of a model; without an architecture there is only CLIP."""
    rng = jax.random.key(0)
    if architecture is None:
        return {"clip": jax.eval_shape(lambda r: init_clip(clip, r, r), rng)}
    # Shapes do not depend on the resolution, and of one patch they are found quickly.
    patch = replace(architecture.model, resolution=architecture.clip.image.patch)
    shapes = jax.eval_shape(Model(replace(architecture, model=patch)).init, rng)
    return {part: tree for part, tree in shapes.items() if part in parts}
