"""A small segmenter, in memory and as a model directory."""

import dataclasses
from pathlib import Path

import pytest

from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.weights.sample_files import FILES

CLASS_NAMES = ("traffic light", "sky, clouds", "Straße")


@pytest.fixture
def model() -> Checkpoint:
    """A small segmenter with adapters and class names."""
    checkpoint = open_checkpoint(FILES / "hclip.pth")
    assert checkpoint.spec is not None
    return dataclasses.replace(checkpoint, spec=checkpoint.spec._replace(class_names=CLASS_NAMES))


@pytest.fixture
def saved(model: Checkpoint, tmp_path: Path) -> Path:
    """The model directory of `model`."""
    save_model(tmp_path / "model", model)
    return tmp_path / "model"
