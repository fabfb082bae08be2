"""Arguments that `hclip segment` refuses, and its defaults."""

from pathlib import Path

import pytest

from hclip_jax.tools.command_line import run
from hclip_jax.tools.segment import main
from tests.tools.segment_results import names, written


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
        (["{photos}/clip.mp4", "--max_megapixels=nan"], "--max_megapixels is nan; it must be more than 0"),
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
    (photos / "clip.mp4").write_bytes(b"x")
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


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(main, ["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "\n    hclip segment holiday/ --model=runs/vitb" in out
    assert "NAME_overlay.png   the labels painted over the image" in out
