"""What the tests of `hclip segment` share: a model in all forms, images, and a call of the command."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.load import open_model
from hclip_jax.tools.command_line import run
from hclip_jax.tools.segment import main
from hclip_jax.weights.hub.names import is_hub_name
from hclip_jax.weights.model_directory import save_model
from tests import trained
from tests.tools.segment_results import Command

RNG = np.random.default_rng(0)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model as a work directory, as a model directory, without CLIP, and only its CLIP."""
    folder = tmp_path_factory.mktemp("models")
    whole = open_model(trained.train(folder / "run"))
    save_model(folder / "whole", whole)
    save_model(folder / "clip", dataclasses.replace(whole.only("clip"), spec=None))
    head = dataclasses.replace(whole.only("adapters", "head"), base_fingerprint=whole.fingerprint())
    save_model(folder / "adapters", head)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images of two formats and three sizes, and a text file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("a.png", (30, 40)), ("b [1].PNG", (44, 32)), ("c.jpg", (20, 50))):
        Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("not an image\n")
    return folder


@pytest.fixture
def segment(models: Path, photos: Path) -> Command:
    """Runs the command with the micro model and --fast; results go to photos/../out."""

    def call(*arguments: object, model: str | Path = "whole") -> int:
        path = model if is_hub_name(model) else models / model
        usual = (f"--model={path}", f"--output={photos.parent / 'out'}", "--fast")
        return run(main, [*map(str, arguments), *usual])

    return call
