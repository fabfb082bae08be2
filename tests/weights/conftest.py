"""A small segmenter, in memory and as a model directory."""

import dataclasses
from pathlib import Path

import pytest

from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES

CLASSES = ("traffic light", "sky, clouds", "Straße")


@pytest.fixture
def model() -> Checkpoint:
    """A small segmenter with adapters, and classes that it was trained with."""
    found = open_checkpoint(FILES / "hclip.pth")
    assert found.spec is not None
    return dataclasses.replace(found, spec=found.spec._replace(class_names=CLASSES))


@pytest.fixture
def saved(model: Checkpoint, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", model)
    return tmp_path / "model"
