"""Small models for tests of saving and loading."""

import dataclasses

import numpy as np

from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES


def clip_alone() -> Checkpoint:
    """CLIP of OpenAI's archive: matrices are float16, norms and embeddings float32."""
    return open_checkpoint(FILES / "openai.pt")


def without_clip(model: Checkpoint) -> Checkpoint:
    """Adapters and head, with the fingerprint of their CLIP."""
    return dataclasses.replace(model.only("adapters", "head"), base_fingerprint=model.fingerprint())


def values(model: Checkpoint) -> dict[str, tuple[np.dtype, bytes]]:
    """Dtype and bytes of every parameter, whose shape and dtype must be those of its `LazyArray`."""
    arrays = {path: np.asarray(param) for path, param in model.params.items()}
    for path, array in arrays.items():
        assert (array.shape, array.dtype) == (model.params[path].shape, model.params[path].dtype)
    return {path: (array.dtype, array.tobytes()) for path, array in arrays.items()}
