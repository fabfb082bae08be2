"""`hclip segment`: files, options, and refused arguments."""

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from PIL import Image

from hclip_jax import Segmenter
from hclip_jax.configs import vitb
from hclip_jax.data.folder import FolderSource
from hclip_jax.data.layout import Layout
from hclip_jax.data.rle import decode_mask
from hclip_jax.inference import segment_images
from hclip_jax.load import open_model
from hclip_jax.tools.command_line import run
from hclip_jax.tools.segment import main
from hclip_jax.weights.built_in import NOTE
from hclip_jax.weights.hub.names import is_hub_name
from hclip_jax.weights.model_directory import load_model, save_model
from tests import tolerance, trained
from tests.hub_server import Hub, Repo

RNG = np.random.default_rng(0)
SUFFIXES = (".json", ".png", "_overlay.png")
Command = Callable[..., int]


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


def written(photos: Path) -> list[str]:
    out = photos.parent / "out"
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


def names(*stems: str) -> list[str]:
    return sorted(f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES)


def rows(photos: Path, stem: str) -> list[dict]:
    return json.loads((photos.parent / f"out/{stem}.json").read_text(encoding="utf-8"))["classes"]


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


def test_each_image_is_segmented_once(segment: Command, photos: Path) -> None:
    assert segment(photos / "*.png", photos / "a.png", photos / "?.jpg", "--classes=cat") == 0
    assert written(photos) == names("a", "c")
    # An existing file is not used as a pattern.
    assert segment(photos / "b [1].PNG", "--classes=cat") == 0
    assert written(photos) == names("a", "b [1]", "c")


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


def test_broken_image_is_skipped(segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (photos / "a.png").read_bytes()
    (photos / "[bold]torn.png").write_bytes(whole[: len(whole) // 2])
    (photos / "empty:cat:.jpg").write_bytes(b"")
    assert segment(photos) == 1
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"skipped: cannot read {photos / '[bold]torn.png'} as an image")
    assert lines[1].startswith(f"skipped: cannot read {photos / 'empty:cat:.jpg'} as an image: it is empty")
    assert lines[2].startswith("3 of 5 images are segmented")
    assert written(photos) == names("a", "b [1]", "c")


def test_image_whose_probabilities_are_too_large_is_skipped(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(segment_images, "_MAX_PROBABILITY_BYTES", 4 * 2 * 30 * 40)
    assert segment(photos, "--classes=cat,sky") == 0  # probabilities are not computed
    for path in (photos.parent / "out").iterdir():
        path.unlink()
    capsys.readouterr()
    assert segment(photos, "--classes=cat,sky", "--probabilities") == 1
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"skipped: {photos / 'b [1].PNG'}: probabilities of 2 names at 32 x 44 pixels")
    assert lines[1].startswith("2 of 3 images are segmented")
    assert written(photos) == sorted([*names("a", "c"), "a.npz", "c.npz"])


def test_only_the_unusable_images_are_skipped(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos.parent / "out"
    (out / "b [1].json").mkdir(parents=True)
    os.mkfifo(photos / "pipe.png")
    long, odd = photos / ("n" * 247 + ".png"), os.fsdecode(os.fsencode(photos) + b"/c\xff.png")
    for path in (long, Path(odd)):
        Image.fromarray(RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    (photos / "loop.png").symlink_to("loop.png")
    usual = [photos / "a.png", photos / "b [1].PNG", photos / "pipe.png", long, odd, "/dev/zero"]
    assert segment(*usual, photos / "c.jpg") == 1
    stdout, err = capsys.readouterr()
    assert err == ""
    *lines, last = stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["skipped"] * 4
    assert "b [1].json is a folder; remove the folder or rename the image" in lines[0]
    assert "pipe.png as an image: it is a device or pipe" in lines[1]
    assert "its result NAME_overlay.png cannot be written" in lines[2]
    assert "(File name too long); rename it" in lines[2]
    assert "/dev/zero as an image: it is a device or pipe" in lines[3]
    assert last.startswith("3 of 7 images are segmented")
    (out / "b [1].json").rmdir()
    assert written(photos) == names("a", "c", os.fsdecode(b"c\xff"))
    summary = json.loads((out / os.fsdecode(b"c\xff.json")).read_text(encoding="utf-8"))
    assert os.fsencode(summary["image"]) == os.fsencode(odd)


def test_a_full_disk_keeps_the_finished_results(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == "b [1].png":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    assert segment(photos) == 2
    out, err = capsys.readouterr()
    assert out == f"1 of 3 images are segmented, in {photos.parent / 'out'}/\n"
    assert err.startswith(f"error: {photos.parent / 'out/b [1].png'} cannot be written (No space left")
    assert err.count("\n") == 1
    assert written(photos) == names("a")  # and nothing of the image that was not finished


def test_formats_of_labelling_tools_hold_the_ids(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_names = ("wall", "traffic light", "a/b", "cat")
    classes = f"--classes={','.join(class_names)}"
    assert segment(photos, classes, "--threshold=0.47", "--formats=coco,polygons,masks") == 0
    out = photos.parent / "out"
    source = FolderSource(out, "all", layout=Layout(str(photos), "_annotations.coco.json"))
    assert source.class_names == class_names
    labels = {example["name"]: example["label"] for example in map(source.__getitem__, range(3))}
    coco = json.loads((out / "_annotations.coco.json").read_text())
    assert coco["categories"] == [{"id": t, "name": name} for t, name in enumerate(class_names)]
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "b [1].PNG", "c.jpg"]
    assert [row["id"] for row in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    for image in coco["images"]:
        stem = Path(image["file_name"]).stem
        with Image.open(out / f"{stem}.png") as label:
            ids = np.asarray(label)
        assert (image["height"], image["width"]) == ids.shape
        decoded = np.full(ids.shape, 255)
        for row in coco["annotations"]:
            if row["image_id"] == image["id"]:
                mask = decode_mask(row["segmentation"]["counts"], *row["segmentation"]["size"])
                decoded[mask] = row["category_id"]
                x, y, width, height = row["bbox"]
                assert row["area"] == mask.sum() == mask[y : y + height, x : x + width].sum()
        np.testing.assert_array_equal(decoded, ids)
        np.testing.assert_array_equal(labels[stem], np.where(ids == 255, -1, ids.astype(int)))

        for t, name in enumerate(("wall", "traffic light", "a_b", "cat")):
            with Image.open(out / f"masks/{stem}/{name}.png") as mask:
                np.testing.assert_array_equal(np.asarray(mask), (ids == t) * 255)

        shapes = json.loads((out / f"polygons/{stem}.json").read_text())
        path = out / "polygons" / shapes["imagePath"]
        assert path.samefile(photos / image["file_name"])
        rows, columns = np.mgrid[: ids.shape[0], : ids.shape[1]]
        centres = np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5
        decoded = np.full(ids.size, 255)
        for shape in shapes["shapes"]:
            inside = Outline(shape["points"]).contains_points(centres)
            decoded[inside] = class_names.index(shape["label"])
        np.testing.assert_array_equal(decoded.reshape(ids.shape), ids)
    capsys.readouterr()
    assert segment(photos, "--formats=coco,voc") == 2
    assert "--formats holds 'voc'; choose from coco, polygons, masks" in capsys.readouterr().err


def test_an_unfinished_image_leaves_no_other_formats(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == "b [1].png":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    assert segment(photos, "--formats=coco,polygons,masks") == 2
    out = photos.parent / "out"
    assert [path.name for path in (out / "polygons").iterdir()] == ["a.json"]
    assert {path.parent.name for path in (out / "masks").glob("*/*")} == {"a"}
    coco = json.loads((out / "_annotations.coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a.png"]


def test_tiles(segment: Command, photos: Path, models: Path) -> None:
    image = RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(image).save(photos / "large.png")
    assert segment(photos / "large.png", "--tile=64") == 0
    expected = Segmenter.load(models / "whole")(image, fast=True, tile=64)
    with Image.open(photos.parent / "out/large.png") as label:
        np.testing.assert_array_equal(np.asarray(label), expected.ids)


def test_too_large_images_are_skipped_with_their_size(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(photos / "a.png", photos / "c.jpg", "--max_megapixels=0.001") == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert f"skipped: {photos / 'a.png'} has 40 x 30 pixels" in lines[0]
    assert "--max_megapixels" in lines[0]
    assert written(photos) == names("c")


def test_a_large_image_that_is_not_tiled_is_noted_once(
    segment: Command, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hclip_jax.tools.segment_images.LARGE_PIXELS", 1000)
    assert segment(photos) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("note: images of more than 33 megapixels were resized")


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: IMAGE"),
        (["{photos}/missing.png"], "missing.png does not exist; give an image, a folder"),
        (["{photos}/*.bmp"], "*.bmp does not exist"),
        (["{photos}/empty"], "empty holds no images; give"),
        (["{photos}/.."], ".. holds no images, only folders with images (photos); give an image"),
        (["{photos}/a.png", "--classes=cat", "--classes_file={photos}/notes.txt"], "are both given"),
        (["{photos}/a.png", "--classes_file={photos}/none.txt"], "cannot read the class list"),
        (["{photos}/a.png", "--classes=cat,,dog"], "'cat,,dog': name 2 is ''"),
        (["{photos}/a.png", "--classes=cat,dog,cat"], "name 1 and name 3 are both 'cat'"),
        (["{photos}/a.png", "--classes=cat,dog,"], "--classes='cat,dog,': name 3 is ''"),
        (["{photos}/a.png", '--classes="cat","dog"'], "name 1 is '\"cat\"', a name in quotation marks"),
        (["{photos}/a.png", "--classes=[cat,dog]"], "name 1 is '[cat', a piece of a list in brackets"),
        (["{photos}/a.png", "--classes=cat;dog"], "name 1 is 'cat;dog', several columns"),
        (["{photos}/a.png", "--classes=cat\ndog"], "name 1 is 'cat\\ndog', which has several lines"),
        (["{photos}/a.png", "--classes={photos}/notes.txt"], "give names, or the file as --classes_file="),
        (["{photos}/a.png", "--classes=cat,Cat"], "which CLIP reads as the same words, 'cat'"),
        (["{photos}/a.png", "--background=sea,sea"], "name 1 and name 2 are both 'sea'"),
        (["{photos}/a.png", "--opacity=1.1"], "--opacity is 1.1; it must be from 0 to 1"),
        (["{photos}/a.png", "--threshold=-1"], "threshold is -1.0"),
        (["{photos}/a.png", "--threshold=half"], "invalid float value: 'half'"),
        (["{photos}/a.png", "--synonyms=all"], "invalid choice: 'all'"),
        (["{photos}/a.png", "--dtype=float16"], "invalid choice: 'float16'"),
        (["{photos}/a.png", "--class=cat"], "--class is not an option; did you mean --classes?"),
        (["{photos}/a.png", "--tile=9"], "tile is 9; it must be 64 pixels or more"),
        (["{photos}/a.png", "--max_megapixels=nan"], "max_megapixels is nan; it must be more than 0"),
        (["{photos}/a.png", "--classes_file={photos}/65535.txt"], "there are 65,535 classes"),
        (["{photos}/a.png", "--output={photos}/a.png/out"], "a.png/out cannot be written (Not a directory)"),
        (["{photos}/a.png", "--output=/proc/none/out"], "cannot be written"),
        (["{photos}/a.png", "--output={photos}/notes.txt"], "notes.txt is a file; give a folder"),
        (["{photos}/a.png", "--output={photos}"], "is one of the images and would be overwritten"),
        (["{photos}/a.png", "{photos}/empty/../a.png"], "would both be written to"),
        (["{photos}/a.png", "--model={photos}/model"], "model does not exist; give a model directory"),
        (["{photos}/a.png", "--model={photos}"], "photos"),
        (["{photos}/a.png", "--model={models}/clip"], "holds CLIP alone, which cannot segment"),
        (["{photos}/a.png", "--model={models}/adapters"], "holds adapters without CLIP"),
        (["{photos}/a.png", "--base={models}/clip"], "leave --base out"),
    ],
)
def test_wrong_use(
    models: Path, photos: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "empty").mkdir()
    (photos / "65535.txt").write_text("\n".join(f"thing {t}" for t in range(65535)))
    before = sorted(photos.parent.rglob("*"))
    usual = [f"--model={models / 'whole'}", f"--output={photos.parent / 'out'}", "--fast"]
    # A repeated option overrides the first.
    assert run(main, [*usual, *(a.format(photos=photos, models=models) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(photos.parent.rglob("*")) == before


def test_model_is_required(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [str(photos / "a.png"), f"--output={photos.parent / 'out'}"]) == 2
    assert "required: --model" in capsys.readouterr().err
    assert not written(photos)


def test_default_output_is_a_folder_of_the_working_directory(
    models: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos.parent)
    assert run(main, ["photos/a.png", f"--model={models / 'whole'}", "--fast"]) == 0
    assert capsys.readouterr().out == "1 of 1 images are segmented, in segmentation/\n"
    assert sorted(path.name for path in (photos.parent / "segmentation").iterdir()) == names("a")


def test_what_a_folder_holds_besides_images_is_said(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "d.jpg").symlink_to("/gone/d.jpg")
    (photos / "e.heic").touch()
    (photos / "more").mkdir()
    shutil.copy(photos / "a.png", photos / "more")
    assert segment(photos) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (
        f"left out of {photos}: dead links (d.jpg -> /gone/d.jpg), images of other formats (e.heic), folders "
        f"with images (more)\n3 of 4 images are segmented, in {photos.parent / 'out'}/\n"
    )


def test_the_folder_of_results_is_not_named(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert segment(photos, f"--output={photos / 'out'}") == 0
        assert capsys.readouterr().out.startswith("3 of 3 images are segmented")


def test_remarks_on_an_image_are_said(
    segment: Command, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = np.linspace(0, 4095, 30 * 40).reshape(30, 40).astype(np.uint16)
    Image.fromarray(wide).save(photos / "a.png")
    frame = Image.new("RGB", (40, 30))
    frame.save(photos / "b.gif", save_all=True, append_images=[Image.new("RGB", (40, 30), "red")])
    assert segment(photos / "a.png", photos / "b.gif") == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{photos / 'a.png'} uses 12 of 16 bits: its values are scaled by their range, 0 to 4095",
        f"{photos / 'b.gif'} has several pages or frames, of which only the first is used",
    ]


@pytest.mark.parametrize("second", ["a.jpg", "a_overlay.png"])
def test_two_images_of_one_name_are_refused(
    segment: Command, photos: Path, second: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = photos / "more" / second
    other.parent.mkdir()
    Image.new("RGB", (4, 4)).save(other)
    assert segment(photos / "a.png", other) == 2
    err = capsys.readouterr().err
    assert f"{photos / 'a.png'} and {other} would both be written to" in err
    assert not written(photos)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(main, ["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "\n    hclip segment holiday/ --model=runs/vitb" in out
    assert "NAME_overlay.png   the labels painted over the image" in out
