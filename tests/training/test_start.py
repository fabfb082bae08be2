"""Trainings that start from a trained model."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax import Segmenter
from hclip_jax.config.adapters import AdapterConfig, HClipConfig, LoraConfig
from hclip_jax.config.schema import Config
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.errors import UserError
from hclip_jax.load import open_model
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import make_mesh
from hclip_jax.training import loop
from hclip_jax.training.evaluate import evaluate_checkpoint
from hclip_jax.training.init import initial_params
from hclip_jax.training.inputs import find_inputs, read_inputs, write_inputs
from hclip_jax.training.start import open_start
from hclip_jax.training.workdir import write_trained_class_names
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.export import merge_adapters
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model
from tests import tolerance, trained
from tests.hub_server import Hub, Repo
from tests.labelled_folder import save
from tests.small_models import micro, micro_tuned
from tests.weights.sample_files import FILES
from tests.weights.sample_models import without_clip

SOURCE = ScenesSource("train", "shapes")
SCORES = ("mIoU", "fwIoU", "mACC", "pACC")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory of a training whose adapters change CLIP."""
    workdir = trained.train(tmp_path_factory.mktemp("start") / "first")
    write_trained_class_names(workdir, SOURCE.class_names)
    return workdir


@pytest.fixture(scope="module")
def directory(first: Path) -> Path:
    """The same model as a model directory."""
    save_model(first.parent / "directory", open_model(first))
    return first.parent / "directory"


def started(path: Path, config: Config | None = None, **train: Any) -> Config:
    """The micro configuration, or another one, with a start and with fields of `train` changed."""
    config = config or micro()
    clip, recipe = (
        dataclasses.replace(config.clip, weights=""),
        dataclasses.replace(config.train, **train),
    )
    return dataclasses.replace(config, start=str(path), clip=clip, train=recipe)


def first_params(config: Config) -> Params:
    start = open_start(config)
    assert start is not None
    return jax.device_get(initial_params(Model(config.architecture), config.seed, make_mesh(1), start))


def adapted(config: Config, params: Params) -> Params:
    return jax.device_get(jax.jit(Model(config.architecture).adapt)(params))


def test_all_parts_are_taken_if_the_method_is_the_same(first: Path, directory: Path) -> None:
    model = open_model(directory)
    for path in (first, directory):
        config = started(path)
        start = open_start(config)
        assert start is not None
        assert start.summary == f"starting from {path} ({model.source}): CLIP, adapters (hclip) and head"
        params = initial_params(Model(config.architecture), 0, make_mesh(1), start)
        tolerance.assert_same(jax.device_get(params), trained.params())


@pytest.mark.parametrize(
    "adapters",
    [{"method": "lora"}, {"method": "full"}, {"method": "none"}, {"block_size": 4}],
)
def test_other_adapters_are_folded_in(adapters: dict[str, Any], directory: Path) -> None:
    config = started(directory, micro_tuned(**adapters))
    params = first_params(config)
    expected = adapted(micro(), trained.params())
    tolerance.assert_close(adapted(config, params), expected, atol=1e-6)
    tolerance.assert_same(params["head"], trained.params()["head"])
    difference = params["clip"]["text"]["blocks"]["attention"]["query"]["kernel"]
    difference = difference - trained.params()["clip"]["text"]["blocks"]["attention"]["query"]["kernel"]
    assert np.abs(difference).max() > 0.01
    start = open_start(config)
    assert start is not None
    line = f"its adapters (hclip) are folded into CLIP, new ones ({config.adapters.method}) start from it"
    assert line in start.summary


@pytest.mark.parametrize(
    ("name", "adapters"),
    [("catseg.pth", HClipConfig(block_size=4)), ("hclip.pth", LoraConfig(rank=2, towers=("text",)))],
)
def test_the_first_logits_are_those_of_a_published_file(name: str, adapters: AdapterConfig) -> None:
    architecture, protocol, _ = open_model(FILES / name).require_spec()
    config = dataclasses.replace(
        started(FILES / name),
        clip=architecture.clip,
        head=dataclasses.replace(architecture.head, prior_prob=0.1),  # only for random weights
        model=architecture.model,
        adapters=adapters,
    )
    segmenter = Segmenter(Model(config.architecture), first_params(config), protocol)
    results = [s(trained.RGB, trained.CLASS_NAMES) for s in (segmenter, Segmenter.load(FILES / name))]
    tolerance.assert_within(results[0].probabilities, results[1].probabilities, 1e-5)


def test_an_activation_that_the_file_does_not_state_is_the_configurations() -> None:
    architecture = open_model(FILES / "catseg.pth").require_spec().architecture
    config = started(FILES / "catseg.pth")
    config = dataclasses.replace(
        config, clip=dataclasses.replace(architecture.clip, activation="gelu"), head=architecture.head
    )
    assert open_start(config) is not None


def test_a_model_by_name_is_a_start(directory: Path, hub: Hub) -> None:
    hub.repos["models/me/tiny"] = Repo({path.name: path.read_bytes() for path in directory.iterdir()})
    starts = [open_start(started(path)) for path in (Path("hf:me/tiny"), directory)]
    assert starts[0] is not None
    assert starts[1] is not None
    tolerance.assert_same(starts[0].params, starts[1].params)
    assert starts[0].fingerprint == starts[1].fingerprint
    assert starts[0].summary.startswith("starting from hf:me/tiny (")


def test_a_merged_model_and_another_image_size_are_a_start(directory: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "merged", merge_adapters(open_model(directory), None, keep_precision=True))
    config = started(tmp_path / "merged")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, image_size=64))
    start = open_start(config)
    assert start is not None
    assert start.summary.endswith(": CLIP and head; model.image_size was 32 and is 64")


def test_without_changes_the_first_figures_are_the_last_ones(first: Path, tmp_path: Path) -> None:
    shutil.copytree(first, tmp_path / "first")
    evaluate_checkpoint(micro(), tmp_path / "first", make_mesh(1))
    config = started(tmp_path / "first")
    evaluate_checkpoint(config, tmp_path / "second", make_mesh(1))  # before its first step
    (last, step), (new, zero) = (
        (report["summary"], report["details"]["step"])
        for report in (
            json.loads((tmp_path / name / "evaluation/val.json").read_text()) for name in ("first", "second")
        )
    )
    assert (step, zero) == (4, 0)
    for name in SCORES:
        assert abs(new[name] - last[name]) <= 1e-6


def test_a_start_may_have_a_start(directory: Path, tmp_path: Path) -> None:
    config = started(directory)
    workdir = trained.train(tmp_path / "second", config)
    chain = open_start(started(workdir, micro_tuned(method="lora")))
    assert chain is not None
    assert f"(training second, step 4, started from {config.start}): CLIP and head" in chain.summary


def scaled(model: Checkpoint, part: str) -> Checkpoint:
    """The model with other values in one part."""

    def other(path: str, x: LazyArray) -> LazyArray:
        return LazyArray.of(np.asarray(x) * np.float32(1.5)) if path.startswith(f"{part}/") else x

    return dataclasses.replace(model, params={path: other(path, x) for path, x in model.params.items()})


def test_another_model_in_place_of_the_start_is_refused(directory: Path, tmp_path: Path) -> None:
    model, path = open_model(directory), tmp_path / "start"
    save_model(path, model)
    config = started(path)
    workdir = trained.train(tmp_path / "run", config)
    write_trained_class_names(workdir, SOURCE.class_names)
    start = open_start(config)
    assert start is not None
    write_inputs(workdir, find_inputs(config, start.params["clip"], SOURCE, start.fingerprint))
    inputs = read_inputs(workdir)
    assert inputs is not None
    assert (inputs.clip_fingerprint, inputs.start_fingerprint) == ("", start.fingerprint)

    for part in ("head", "clip"):
        shutil.rmtree(path)
        save_model(path, scaled(model, part))
        if part == "head":  # that of the checkpoint is used
            open_model(workdir)
    pattern = (
        rf"config.start={path} is not the model that {workdir} started from .*it was {start.fingerprint[:16]}"
    )
    with pytest.raises(UserError, match=pattern):
        open_model(workdir)
    with pytest.raises(UserError, match=pattern):
        loop.train(config, workdir, make_mesh(1))
    shutil.rmtree(path)
    with pytest.raises(UserError, match=rf"config.start: {path} does not exist; give a model directory"):
        open_model(workdir)


@pytest.mark.parametrize(
    ("method", "trainable", "parts"),
    [
        ("hclip", ("adapters", "head"), {"clip"}),
        ("hclip", ("adapters",), {"clip", "head"}),
        ("hclip", ("clip", "adapters", "head"), set()),
        ("lora", ("adapters", "head"), {"clip", "adapters"}),
        ("lora", ("clip", "head"), set()),
    ],
)
def test_the_fingerprint_is_of_what_is_read_at_every_start(
    method: str, trainable: tuple[Any, ...], parts: set[str], directory: Path, tmp_path: Path
) -> None:
    model = open_model(directory)
    fingerprints = {}
    for part in ("", "clip", "adapters", "head"):
        save_model(tmp_path / f"model{part}", scaled(model, part or "none"))
        config = started(tmp_path / f"model{part}", micro_tuned(method=method), trainable=trainable)
        start = open_start(config)
        assert start is not None
        fingerprints[part] = start.fingerprint
    assert {part for part, value in fingerprints.items() if value != fingerprints[""]} == parts
    assert bool(fingerprints[""]) == bool(parts)


def refusal(config: Config) -> str:
    with pytest.raises(UserError) as caught:
        open_start(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_fields_that_differ_are_named(directory: Path) -> None:
    config = started(directory)
    image = dataclasses.replace(config.clip.image, num_heads=4)
    other = dataclasses.replace(
        config,
        clip=dataclasses.replace(config.clip, image=image),
        head=dataclasses.replace(config.head, decoder_dims=(4, 4), window_size=4, prior_prob=0.5),
    )
    assert refusal(other) == (
        f"config.start={directory} is a model with clip.image.num_heads = 2, head.decoder_dims = [8, 4], "
        f"head.window_size = 2, but the configuration has clip.image.num_heads = 4, head.decoder_dims = "
        f"[4, 4], head.window_size = 4; give the configuration of that model, here "
        f"--config.clip.image.num_heads=2"
    )


def test_what_is_no_whole_model_is_refused(directory: Path, tmp_path: Path) -> None:
    assert "holds CLIP alone" in refusal(started(FILES / "openai.pt"))
    save_model(tmp_path / "adapters", without_clip(open_model(directory)))
    message = refusal(started(tmp_path / "adapters"))
    assert f"{tmp_path / 'adapters'} holds adapters without CLIP; give a whole model" in message
    assert refusal(started(tmp_path / "none")).startswith(f"config.start: {tmp_path / 'none'} does not exist")


def make_folder(root: Path) -> None:
    """A labelled folder with other class names than those of the first training."""
    for split, count in (("train", 64), ("val", 24)):
        source = ScenesSource(split, "regrouped", count)
        for i in range(count):
            save(root, f"{split}/{i:02d}", source[i]["image"], source[i]["label"])
    (root / "classes.txt").write_text("\n".join(ScenesSource("train", "regrouped").class_names) + "\n")


@pytest.mark.slow
def test_a_start_is_better_than_random_weights_after_100_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three seeds, on a folder of images and class names that the first training has not seen."""
    make_folder(tmp_path / "folder")
    loop.train(micro(num_train_steps=400, checkpoint_every=400), tmp_path / "first", make_mesh(1))
    data = dataclasses.replace(micro().data, root=str(tmp_path / "folder"), label_set="")
    evaluation = dataclasses.replace(micro().evaluation, num_images=0, num_overlays=0)
    for seed in range(3):
        base = micro(num_train_steps=100, evaluate_every=100, checkpoint_every=100)
        base = dataclasses.replace(base, seed=seed, data=data, evaluation=evaluation)
        scores = {}
        for name, config in (("random", base), ("start", started(tmp_path / "first", base))):
            workdir = tmp_path / f"{name}{seed}"
            loop.train(config, workdir, make_mesh(1))
            assert ("starting from" in capsys.readouterr().out) is (name == "start")
            report = json.loads((workdir / "evaluation/val.json").read_text())
            scores[name] = report["summary"]["mIoU"]
        assert scores["start"] > scores["random"], (seed, scores)
