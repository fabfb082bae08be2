"""`hclip push`: a model with its card on the Hub, and back."""

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from huggingface_hub import ModelCard

from hclip_jax import Segmenter
from hclip_jax.load import open_model
from hclip_jax.tools.push import main
from hclip_jax.weights.model_directory import load_model, save_model
from tests import tolerance, trained
from tests.hub_server import Hub, Repo
from tests.small_models import micro
from tests.tools.calling import Capture, refuse, succeed
from tests.weights.sample_files import FILES

# Of huggingface_hub's own call of its HTTP client, in uploads with Git LFS.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

refused = functools.partial(refuse, main)
MODEL = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "model", open_model(trained.train(folder / "run")))
    return folder / "model"


@pytest.fixture
def workdir(tmp_path: Path, directory: Path, hub: Hub) -> Path:
    """The training, on a CLIP by name, with evaluations of its last step and of an older one."""
    save_model(tmp_path / "clip", dataclasses.replace(load_model(directory).only("clip"), spec=None))
    files = {path.name: path.read_bytes() for path in (tmp_path / "clip").iterdir()}
    hub.repos["models/openai/clip"] = Repo(files)
    config = micro()
    config = dataclasses.replace(config, clip=dataclasses.replace(config.clip, weights="hf:openai/clip@v1.0"))
    workdir = trained.train(tmp_path / "run", config, steps=(0, 4))
    (workdir / "evaluation").mkdir()
    for name, step in (("val", 4), ("older", 3)):
        summary = {"mIoU": 41.256, "pACC": 70.0, "hIoU": None}
        report = {"summary": summary, "details": {"step": step, "images": 8, "protocol": "single"}}
        (workdir / "evaluation" / f"{name}.json").write_text(json.dumps(report))
    (workdir / "evaluation" / "broken.json").write_text("{")
    return workdir


@pytest.fixture(autouse=True)
def token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)


def uploaded(hub: Hub, name: str) -> dict[str, bytes]:
    return hub.repos[f"models/{name}"].files


def test_a_model_directory_comes_back_with_equal_labels(hub: Hub, directory: Path, capsys: Capture) -> None:
    out = succeed(main, directory, "hf:me/tiny", "--license=mit", "--base_model=openai/clip", capture=capsys)
    assert out == f"hf:me/tiny is uploaded: {hub.address}/me/tiny\n"
    files = uploaded(hub, "me/tiny")
    assert sorted(files) == [".gitattributes", *MODEL]
    for name in ("config.json", "model.safetensors"):
        assert files[name] == (directory / name).read_bytes()
    expected = Segmenter.load(directory)(trained.RGB, trained.CLASS_NAMES, fast=True)
    for _ in range(2):
        result = Segmenter.load("hf:me/tiny")(trained.RGB, trained.CLASS_NAMES, fast=True)
        np.testing.assert_array_equal(result.ids, expected.ids)
        np.testing.assert_array_equal(result.probabilities, expected.probabilities)


def test_a_training_is_converted_and_its_card_has_its_figures(
    hub: Hub, workdir: Path, capsys: Capture
) -> None:
    out = succeed(main, workdir, "hf:me/streets", "--license=cc-by-nc-4.0", capture=capsys)
    assert "note" not in out
    files = uploaded(hub, "me/streets")
    card = ModelCard(files["README.md"].decode())
    data = card.data.to_dict()
    assert data["license"] == "cc-by-nc-4.0"
    assert data["base_model"] == "openai/clip"
    assert (data["pipeline_tag"], data["library_name"]) == ("image-segmentation", "hclip_jax")
    assert data["metrics"] == ["mean_iou"]
    assert {"open-vocabulary-segmentation", "clip"} < set(data["tags"])
    ((entry,),) = (model["results"] for model in data["model-index"])
    assert entry["dataset"]["name"] == "val"
    assert [(metric["type"], metric["value"]) for metric in entry["metrics"]] == [("mean_iou", 41.26)]
    assert "| val | 8 | 41.26 |  |  | 70.00 |" in card.text
    assert "\n1. sky, clouds\n" in card.text
    assert "hclip segment photos/ --model=hf:me/streets" in card.text
    assert "4 names of the training" in card.text


def test_the_card_of_step_0_has_the_figures_of_step_0(hub: Hub, workdir: Path, capsys: Capture) -> None:
    succeed(main, workdir, "hf:me/streets", "--checkpoint=0", capture=capsys)
    assert b"41.26" not in uploaded(hub, "me/streets")["README.md"]


def test_output_is_written_and_can_be_pushed(
    hub: Hub, workdir: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = succeed(main, workdir, "hf:me/streets", "--output", tmp_path / "out", capture=capsys)
    assert f"hclip push {tmp_path / 'out'} hf:me/streets uploads it" in out
    assert "models/me/streets" not in hub.repos
    tolerance.assert_same(
        flatten_dict(load_model(tmp_path / "out").load_params()), flatten_dict(trained.params())
    )
    succeed(main, tmp_path / "out", "hf:me/streets", capture=capsys)
    for name in MODEL:
        assert uploaded(hub, "me/streets")[name] == (tmp_path / "out" / name).read_bytes()


def test_an_edited_card_is_uploaded_unchanged(
    hub: Hub, directory: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = shutil.copytree(directory, tmp_path / "model")
    (folder / "README.md").write_text("---\nlicense: mit\n---\nMine.\n")
    succeed(main, folder, "hf:me/tiny", capture=capsys)
    assert uploaded(hub, "me/tiny")["README.md"] == b"---\nlicense: mit\n---\nMine.\n"
    message = refused(folder, "hf:me/tiny", "--license=mit", capture=capsys)
    assert "README.md is uploaded unchanged; write license and base_model there" in message


def test_adapters_alone(hub: Hub, directory: Path, tmp_path: Path, capsys: Capture) -> None:
    model = load_model(directory)
    adapters = dataclasses.replace(model.only("adapters", "head"), base_fingerprint=model.fingerprint())
    save_model(tmp_path / "adapters", adapters)
    save_model(tmp_path / "clip", dataclasses.replace(model.only("clip"), spec=None))
    out = succeed(main, tmp_path / "adapters", "hf:me/adapters", capture=capsys)
    assert out.endswith("\nnote: --base_model and --license would complete the card\n")
    assert " --base=CLIP" in uploaded(hub, "me/adapters")["README.md"].decode()
    result = Segmenter.load("hf:me/adapters", base=tmp_path / "clip")(
        trained.RGB, trained.CLASS_NAMES, fast=True
    )
    expected = Segmenter.load(directory)(trained.RGB, trained.CLASS_NAMES, fast=True)
    np.testing.assert_array_equal(result.ids, expected.ids)


def test_private(hub: Hub, directory: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    succeed(main, directory, "hf:me/secret", "--private", capture=capsys)
    assert hub.repos["models/me/secret"].private
    succeed(main, directory, "hf:me/secret", "--private", capture=capsys)
    monkeypatch.delenv("HF_TOKEN")
    assert "has no model me/secret that you may read" in refused("hf:me/secret", "hf:me/copy", capture=capsys)


def test_a_public_repository_is_not_taken_for_a_private_one(
    hub: Hub, directory: Path, capsys: Capture
) -> None:
    succeed(main, directory, "hf:me/tiny", capture=capsys)
    hub.requests.clear()
    message = refused(directory, "hf:me/tiny", "--private", capture=capsys)
    assert "hf:me/tiny exists and is public; leave --private out, or give another name" in message
    assert not any("commit" in request for request in hub.requests)


def test_a_token_that_may_not_write(
    hub: Hub, directory: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    message = refused(directory, "hf:me/tiny", capture=capsys)
    assert "has no model me/tiny that you may write (status 401)" in message
    assert "set HF_TOKEN to a token with access" in message
    monkeypatch.delenv("HF_TOKEN")
    assert "hf auth login" in refused(directory, "hf:me/tiny", capture=capsys)
    hub.stop()
    message = refused(directory, "hf:me/tiny", capture=capsys)
    assert "cannot be reached" in message
    assert "nothing was changed there" in message
    assert hub.repos == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{model}", "me/tiny"], "'me/tiny' is not the name of a model on the Hugging Face Hub"),
        (["{model}", "hf:spaces/me/tiny"], "hf:spaces/me/tiny is no target for a model; give hf:OWNER/NAME"),
        (["{model}", "hf:me/tiny@v1"], "hf:me/tiny@v1 is no target"),
        (["{model}", "hf:me/tiny/a.pth"], "hf:me/tiny/a.pth is no target"),
        (
            ["{model}", "hf:me/tiny", "--license=MIT License"],
            "--license is 'MIT License'; it must be an identifier",
        ),
        (["{model}", "hf:me/tiny", "--base_model=clip"], "'hf:clip' is not the name of a model"),
        (["{model}", "hf:me/tiny", "--output={model}"], "exists already"),
        (
            ["{model}", "hf:me/tiny", "--output={model}/x", "--private"],
            "--private is of an upload, and --output",
        ),
        (["{model}", "hf:me/tiny", "--checkpoint=3"], "is not the --workdir of a training"),
        (["{model}x", "hf:me/tiny"], "does not exist; give a model directory"),
        (
            [str(FILES / "openai.pt"), "hf:me/tiny"],
            "openai.pt has no segmentation head; give a trained model",
        ),
    ],
)
def test_wrong_use(hub: Hub, arguments: list[str], message: str, directory: Path, capsys: Capture) -> None:
    assert message in refused(*(a.format(model=directory) for a in arguments), capture=capsys)
    assert hub.repos == {}
