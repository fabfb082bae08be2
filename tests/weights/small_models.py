"""The small models that are saved and loaded in the tests, bit for bit compared."""

import dataclasses

import numpy as np

from hclip_jax.weights.checkpoint import StoredModel
from hclip_jax.weights.open_checkpoint import open_foreign
from tests.weights.sample_files import FILES


def clip_alone() -> StoredModel:
    """OpenAI's archive: matrices are float16, norms and embeddings float32."""
    return open_foreign(FILES / "openai.pt")


def adapters(model: StoredModel) -> StoredModel:
    return dataclasses.replace(model.only("adapters", "head"), base=model.fingerprint())


def values(model: StoredModel) -> dict[str, tuple[np.dtype, bytes]]:
    """All leaves, bit for bit."""
    arrays = {path: np.asarray(leaf) for path, leaf in model.leaves.items()}
    assert all(
        (a.shape, a.dtype) == (model.leaves[p].shape, model.leaves[p].dtype) for p, a in arrays.items()
    )
    return {path: (array.dtype, array.tobytes()) for path, array in arrays.items()}
