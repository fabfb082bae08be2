"""The README's commands and its Python run as they stand, with small files in place of the large ones."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.tools import cli
from tests import prepared_sets
from tests.hub_server import Hub, Repo
from tests.labelled_folder import make_folder
from tests.tools.calling import Capture, succeed
from tests.training.test_inputs import save_clip
from tests.weights.sample_files import FILES

README = (Path(__file__).parents[1] / "README.md").read_text()
SECTION = README.partition("## Segment, train, evaluate")[2].partition("\n## ")[0]
MINE = """
from tests.small_models import micro_dict


def get_config():
    c = micro_dict()
    c.data.label_set = ""
    c.train.update(num_train_steps=2, batch_size=2)
    return c
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


def commands() -> list[list[str]]:
    """The arguments of every line `hclip ...`."""
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]
    assert all(line.startswith("hclip ") for line in lines)
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.fixture
def folder(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of somebody who reads the README: photos/, DATA/ and the names on the Hub."""
    hub.repos["spaces/hamacojr/CAT-Seg-weights"] = Repo(
        {"model_base.pth": (FILES / "catseg.pth").read_bytes()}
    )
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for path in ("photos/a.png", "photo.jpg"):
        Image.fromarray(np.full((40, 56, 3), 90, np.uint8)).save(path)
    return tmp_path


def test_the_line_that_names_published_weights(folder: Path, capsys: Capture) -> None:
    (line, *others) = [line for line in commands() if any("--model=hf:" in argument for argument in line)]
    assert not others
    out = succeed(cli.main, *line, capture=capsys)
    assert out == "1 of 1 images are segmented, in segmentation/\n"
    assert (folder / "segmentation" / "a.png").is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own call
@pytest.mark.filterwarnings("ignore:.*CLIP reads the same words")
def test_all_lines_one_after_another(hub: Hub, folder: Path, capsys: Capture) -> None:
    """Of a smaller configuration; DIR is the training of the block itself."""
    make_folder(folder / "DATA")
    for path in prepared_sets.data().iterdir():
        os.symlink(path, folder / "DATA" / path.name)
    save_clip(folder / "clip", 1.0)
    files = {path.name: path.read_bytes() for path in (folder / "clip").iterdir()}
    hub.repos["models/openai/clip-vit-base-patch16"] = Repo(files)
    (folder / "mine.py").write_text(MINE)

    def run(line: list[str], *more: str) -> str:
        names = {"--config=vitb": "--config=mine.py", "DIR": "runs/vitb", "--model=DIR": "--model=runs/vitb"}
        return succeed(cli.main, *(names.get(each, each) for each in line), *more, capture=capsys)

    lines = {" ".join(line): line for line in commands()}
    (train,) = [line for line in lines.values() if line[0] == "train"]
    run([each.replace("runs/vitb", "runs/lora") for each in train], "--config.adapters.method=lora")
    run(["evaluate", "runs/lora"])
    run(train)
    waiting = {"train", "demo"}  # a page serves until it is interrupted: tests/demo
    outputs = {text: run(line) for text, line in lines.items() if line[0] not in waiting}
    assert len(outputs) == 6
    assert any("difference" in text for text in outputs.values())
    assert (folder / "out/a.png").is_file()
    assert (folder / "runs/vitb/evaluation/paper/table.md").is_file()
    assert "model.safetensors" in hub.repos["models/me/street-hclip"].files

    (folder / "runs/quickstart").symlink_to(folder / "runs/vitb")
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})
    with Image.open("overlay.png") as overlay:
        assert overlay.size >= (56, 40)
