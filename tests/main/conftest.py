"""A configuration file, a labelled folder, and the properties of every refused command line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.main import main
from hclip_jax.tools.command_line import run

NUM_TRAIN_IMAGES = 16  # two batches


@pytest.fixture(scope="session")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configs") / "micro.py"
    path.write_text("from tests.small_models import micro_dict as get_config\n")
    return path


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A labelled folder: p00 to p15 for training, and p00 for evaluation."""
    root = tmp_path / "shapes"
    for split, count in (("train", NUM_TRAIN_IMAGES), ("val", 1)):
        scenes = ScenesSource(split, "shapes", count)
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            example = scenes[i]
            Image.fromarray(example["image"]).save(root / f"images/{split}/p{i:02d}.png")
            label = Image.fromarray(example["label"].astype(np.uint8))  # IGNORE becomes 255
            label.save(root / f"labels/{split}/p{i:02d}.png")
    (root / "classes.txt").write_text("\n".join(ScenesSource("train", "shapes").class_names) + "\n")
    return root


@pytest.fixture
def refusal(config_file: Path, workdir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `hclip train` with the micro configuration, and returns the error that it must end with."""

    def call(*arguments: str, alone: bool = False) -> str:
        before = sorted(workdir.parent.rglob("*"))
        usual = () if alone else (f"--config={config_file}", f"--workdir={workdir}")
        status = run(main, [*usual, *arguments])
        err = capsys.readouterr().err
        assert status == 2
        assert err.startswith("error: ")
        assert err.count("error: ") == 1
        assert "Traceback" not in err
        assert sorted(workdir.parent.rglob("*")) == before  # neither the work directory nor a file in it
        return err

    return call
