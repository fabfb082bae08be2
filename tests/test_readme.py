"""The README's first command with a model by name runs, with a small file of the same format."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.tools import cli
from tests.hub_server import Hub, Repo
from tests.tools.calling import Capture, succeed
from tests.weights.sample_files import FILES

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_line_that_names_published_weights(
    hub: Hub, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = re.findall(r"^hclip (segment .*--model=hf:.*)$", README, re.MULTILINE)
    hub.repos["spaces/hamacojr/CAT-Seg-weights"] = Repo(
        {"model_base.pth": (FILES / "catseg.pth").read_bytes()}
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((40, 56, 3), 90, np.uint8)).save("photos/a.png")
    out = succeed(cli.main, *shlex.split(line), capture=capsys)
    assert out == "1 of 1 images are segmented, in segmentation/\n"
    assert (tmp_path / "segmentation" / "a.png").is_file()
