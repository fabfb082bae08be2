"""The small models that are saved and loaded in the tests, bit for bit compared."""

import dataclasses

import numpy as np

from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES


def clip_alone() -> Checkpoint:
    """OpenAI's archive: matrices are float16, norms and embeddings float32."""
    return open_checkpoint(FILES / "openai.pt")


def adapters(model: Checkpoint) -> Checkpoint:
    return dataclasses.replace(model.only("adapters", "head"), base=model.fingerprint())


def values(model: Checkpoint) -> dict[str, tuple[np.dtype, bytes]]:
    """All leaves, bit for bit."""
    arrays = {path: np.asarray(leaf) for path, leaf in model.params.items()}
    assert all(
        (a.shape, a.dtype) == (model.params[p].shape, model.params[p].dtype) for p, a in arrays.items()
    )
    return {path: (array.dtype, array.tobytes()) for path, array in arrays.items()}
