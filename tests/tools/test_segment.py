"""`hclip segment`: labels of images by a model in all its forms, with the options that change them."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax import Segmenter
from hclip_jax.configs import vitb
from hclip_jax.tools.command_line import run
from hclip_jax.tools.segment import main
from hclip_jax.weights.built_in import NOTE
from hclip_jax.weights.model_directory import load_model, save_model
from tests import tolerance, trained
from tests.hub_server import Hub, Repo
from tests.tools.segment_results import Command, names, rows, written

RNG = np.random.default_rng(0)


def test_one_file(segment: Command, photos: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_names = ("wall", "traffic light", "cat")
    classes = "--classes=wall,traffic light, cat"
    assert segment(photos / "a.png", classes, "--probabilities", "--threshold=0.47", "--opacity=0.3") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out == f"1 of 1 images are segmented, in {photos.parent / 'out'}/\n"
    assert written(photos) == sorted([*names("a"), "a.npz"])

    expected = Segmenter.load(models / "whole")(photos / "a.png", class_names, threshold=0.47, fast=True)
    assert 0 < expected.summary()["unknown_area"] < 1
    stem = photos.parent / "out" / "a"
    with Image.open(f"{stem}.png") as label:
        np.testing.assert_array_equal(np.asarray(label), np.where(expected.ids < 0, 255, expected.ids))
    with Image.open(f"{stem}_overlay.png") as overlay:
        np.testing.assert_array_equal(np.asarray(overlay), np.asarray(expected.overlay(0.3)))
    summary = json.loads(Path(f"{stem}.json").read_text())
    assert summary == {"image": str(photos / "a.png"), "model": str(models / "whole"), **expected.summary()}
    with np.load(f"{stem}.npz") as file:
        assert file["probabilities"].dtype == np.float32
        np.testing.assert_array_equal(file["probabilities"], expected.probabilities)
        assert tuple(file["classes"]) == class_names


def test_folder(segment: Command, photos: Path) -> None:
    assert segment(photos) == 0
    assert written(photos) == names("a", "b [1]", "c")
    assert [row["name"] for row in rows(photos, "a")] == list(trained.CLASSES)
    with Image.open(photos.parent / "out/b [1].png") as label:
        assert label.size == (32, 44)


@pytest.mark.filterwarnings("default")
def test_a_model_by_name_gives_the_labels_of_its_directory(
    segment: Command, photos: Path, models: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(photos / "a.png") == 0
    expected = (photos.parent / "out/a.png").read_bytes()
    hub.repos["models/me/tiny"] = Repo(
        {path.name: path.read_bytes() for path in (models / "whole").iterdir()}
    )
    assert segment(photos / "a.png", model="hf:me/tiny") == 0
    assert (photos.parent / "out/a.png").read_bytes() == expected
    assert json.loads((photos.parent / "out/a.json").read_text())["model"] == "hf:me/tiny"
    hub.stop()
    (photos.parent / "out/a.png").unlink()
    capsys.readouterr()
    assert segment(photos / "a.png", model="hf:me/tiny") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"warning: {hub.address} cannot be reached; the copy of hf:me/tiny in the cache is"
    )
    assert (photos.parent / "out/a.png").read_bytes() == expected
    assert segment(photos / "a.png", model="hf:me/other") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: hf:me/other: {hub.address} cannot be reached")


def test_batches_give_the_same_labels(segment: Command, photos: Path) -> None:
    assert segment(photos) == 0
    alone = {name: (photos.parent / f"out/{name}.png").read_bytes() for name in ("a", "b [1]", "c")}
    assert segment(photos, "--batch_size=2") == 0
    for name, label in alone.items():
        assert (photos.parent / f"out/{name}.png").read_bytes() == label


def test_class_list_with_synonyms(segment: Command, photos: Path, tmp_path: Path) -> None:
    lists = tmp_path / "my classes.txt"
    lists.write_text("zebra\nroad, street\ncat\n", encoding="utf-8")
    more = (f"--classes_file={lists}", "--background=floor,sea", "--synonyms=max")
    assert segment(photos / "a.png", *more) == 0
    assert [(row["id"], row["name"]) for row in rows(photos, "a")] == [
        (0, "zebra"),
        (1, "road, street"),
        (2, "cat"),
        (3, "background"),
    ]


def test_ids_follow_the_order_of_class_names(segment: Command, photos: Path) -> None:
    areas = []
    for classes in ("wall,cat,sky", "sky,cat,wall"):
        assert segment(photos / "a.png", f"--classes={classes}") == 0
        assert ",".join(row["name"] for row in rows(photos, "a")) == classes
        areas.append([row["area"] for row in rows(photos, "a")])
    assert areas[0][0] > 0
    assert areas[0] != areas[1]
    tolerance.assert_within(areas[0], areas[1][::-1], 0.01)


def test_default_is_the_published_protocol(photos: Path, models: Path) -> None:
    arguments = [str(photos / "a.png"), f"--model={models / 'whole'}", f"--output={photos.parent / 'out'}"]
    assert run(main, [*arguments, "--probabilities"]) == 0
    with np.load(photos.parent / "out/a.npz") as file:
        expected = Segmenter.load(models / "whole")(photos / "a.png")
        np.testing.assert_array_equal(file["probabilities"], expected.probabilities)


def test_tiles(segment: Command, photos: Path, models: Path) -> None:
    image = RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(image).save(photos / "large.png")
    assert segment(photos / "large.png", "--tile=64") == 0
    expected = Segmenter.load(models / "whole")(image, fast=True, tile=64)
    with Image.open(photos.parent / "out/large.png") as label:
        np.testing.assert_array_equal(np.asarray(label), expected.ids)


def test_default_treatment_of_synonyms_is_that_of_the_training(
    segment: Command, photos: Path, models: Path, tmp_path: Path
) -> None:
    model = load_model(models / "whole")
    assert model.spec is not None
    a = model.spec.architecture
    a = dataclasses.replace(a, prompts=dataclasses.replace(a.prompts, synonyms="mean"))
    averaging = tmp_path / "averaging"
    save_model(averaging, dataclasses.replace(model, spec=model.spec._replace(architecture=a)))
    lists = tmp_path / "classes.txt"
    lists.write_text("road, street\ncat\n", encoding="utf-8")
    probabilities = {}
    for flags in ((), ("--synonyms=mean",), ("--synonyms=first",)):
        argv = (photos / "a.png", f"--classes_file={lists}", "--probabilities", *flags)
        assert segment(*argv, model=averaging) == 0
        with np.load(photos.parent / "out/a.npz") as file:
            probabilities[flags] = file["probabilities"]
    np.testing.assert_array_equal(probabilities[()], probabilities[("--synonyms=mean",)])
    assert np.abs(probabilities[()] - probabilities[("--synonyms=first",)]).max() > 1e-4


@pytest.mark.filterwarnings("default")
def test_names_with_the_same_first_synonym_are_warned_of(
    segment: Command, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = tmp_path / "classes.txt"
    lists.write_text("sky, clouds\nsky\ncat\n", encoding="utf-8")
    assert segment(photos / "a.png", f"--classes_file={lists}", "--background=Cat,wall") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("warning: CLIP reads the words of classes before them")
    assert lines[1].startswith("warning: CLIP reads the words of classes in these background names")
    # All pixels that could be either belong to the first, instead of some to each.
    assert rows(photos, "a")[1]["pixels"] == 0
    assert segment(photos / "a.png", f"--classes_file={lists}", "--synonyms=mean") == 0
    assert capsys.readouterr().err == ""


def test_a_model_that_knows_drawings_only_says_so(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hclip_jax.weights.built_in.VOCAB_SIZE", vitb.get_config().clip.text.vocab_size)
    assert segment(photos / "a.png") == 0
    note = capsys.readouterr().err
    assert note == f"{NOTE}\n"
    assert note.count("\n") == 1


def test_all_forms_of_a_model_give_the_same_labels(segment: Command, photos: Path, models: Path) -> None:
    labels = []
    for model, more in (("whole", ()), ("run", ()), ("adapters", (f"--base={models / 'clip'}",))):
        assert segment(photos / "a.png", *more, model=model) == 0
        with Image.open(photos.parent / "out/a.png") as label:
            labels.append(np.asarray(label))
    np.testing.assert_array_equal(labels[1], labels[0])
    np.testing.assert_array_equal(labels[2], labels[0])
