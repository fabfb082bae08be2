"""A small segmenter, in memory and as a model directory."""

import dataclasses
from pathlib import Path

import pytest

from hclip_jax.weights.checkpoint import StoredModel
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.open_checkpoint import open_foreign
from tests.weights.sample_files import FILES

CLASSES = ("traffic light", "sky, clouds", "Straße")


@pytest.fixture
def model() -> StoredModel:
    """A small segmenter with adapters, and classes that it was trained with."""
    found = open_foreign(FILES / "hclip.pth")
    assert found.segmenting is not None
    return dataclasses.replace(found, segmenting=found.segmenting._replace(classes=CLASSES))


@pytest.fixture
def saved(model: StoredModel, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", model)
    return tmp_path / "model"
