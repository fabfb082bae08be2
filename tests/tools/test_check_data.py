import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hclip_jax.tools.check_data import main
from hclip_jax.tools.command_line import run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A labelled folder without issues: three images a split, each with all classes."""
    rng = np.random.default_rng(0)
    root = tmp_path / "pets"
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for letter in "abc":
            image = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(image).save(root / f"images/{split}/{letter}.png")
            label = np.minimum(rng.integers(0, 9, (40, 48), dtype=np.uint8), 2)  # mostly sky
            Image.fromarray(label).save(root / f"labels/{split}/{letter}.png")
    (root / "classes.txt").write_text("cat\n[red]light\nsky | clouds\n")
    return root


def test_folder_without_issues(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [str(root)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[-1] == "0 errors, 0 warnings"
    rows = [line for line in lines if "│" in line]
    assert rows[0].replace("│", " ").split() == ["train", "3", "48x40", "48x40", "0.0"]
    assert "│ sky | clouds │" in rows[2]  # the largest class
    assert any("│ [red]light   │" in row for row in rows)
    assert sorted(path.name for path in root.parent.iterdir()) == ["pets"]


def test_issues_are_printed_with_their_fix(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "val"):
        for letter in "abc":
            Image.new("RGB", (48, 40)).save(root / f"labels/{split}/{letter}.png")
    (root / "images/[bold]").mkdir()
    assert run(main, [str(root)]) == 1
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("error: labels with colour channels"))
    names = "labels/train/a.png (RGB), labels/train/b.png (RGB), labels/train/c.png (RGB)"
    assert lines[start + 1] == f"    in:  {names}, ... (6 in all)"
    assert lines[start + 2].startswith("    fix: map each colour")
    assert "    in:  images/[bold]" in lines
    assert lines[-1] == "2 errors, 0 warnings"


def test_exit_status_is_0_with_warnings_only(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "images/train/.hidden").write_text("")
    assert run(main, [str(root)]) == 0
    assert capsys.readouterr().out.endswith("0 errors, 1 warning\n")


def test_no_file_can_be_decoded(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    output = root.parent / "out"
    assert run(main, [str(root), f"--output={output}"]) == 1
    assert json.loads((output / "report.json").read_text())["splits"]["train"]["unlabelled"] is None
    assert not (output / "previews").exists()


def test_output(root: Path) -> None:
    (root / "labels/train/a.png").unlink()
    output = root.parent / "out"
    assert run(main, [str(root), f"--output={output}", "--previews=1"]) == 1
    report = json.loads((output / "report.json").read_text())
    assert (report["errors"], report["warnings"]) == (1, 0)
    assert report["splits"]["val"] == {
        "images": 3,
        "smallest": [40, 48],
        "largest": [40, 48],
        "unlabelled": 0,
    }
    assert [row["name"] for row in report["classes"]] == ["cat", "[red]light", "sky | clouds"]
    assert report["classes"][0]["images"] == {"train": 2, "val": 3}
    assert sum(row["pixels"] for row in report["classes"]) == 5 * 40 * 48
    assert report["issues"][0]["items"] == ["images/train/a.png"]

    text = (output / "report.md").read_text()
    assert text.startswith("# pets: 1 error, 0 warnings\n")
    assert r"|   2 | sky \| clouds | " in text
    previews = sorted(path.relative_to(output).as_posix() for path in output.rglob("*.png"))
    assert previews == ["previews/train/b.png", "previews/val/a.png"]
    assert all(f"(<{path}>)" in text for path in previews)
    with Image.open(output / previews[0]) as preview:
        assert preview.width >= 480

    again = root.parent / "again"
    run(main, [str(root), f"--output={again}", "--previews=1"])
    for path in output.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(output)).read_bytes()


def test_previews_of_the_same_name_in_two_folders(root: Path) -> None:
    for kind in ("images", "labels"):
        for folder in ("x", "y"):
            target = root / "nested" / kind / folder / "a.png"
            target.parent.mkdir(parents=True)
            target.write_bytes((root / f"{kind}/train/a.png").read_bytes())
    layout = ("--images=nested/images/*/*.png", "--labels=nested/labels/*/*.png")
    output = root.parent / "out"
    run(main, [str(root), f"--output={output}", *layout])
    assert sorted(path.name for path in (output / "previews/train").iterdir()) == ["x-a.png", "y-a.png"]


def test_8_previews_by_default(root: Path) -> None:
    for i in range(9):
        for kind in ("images", "labels"):
            (root / f"{kind}/train/copy{i}.png").write_bytes((root / f"{kind}/train/a.png").read_bytes())
    output = root.parent / "out"
    run(main, [str(root), f"--output={output}"])
    assert len(list((output / "previews/train").iterdir())) == 8


def test_terminal_lists_the_40_largest_classes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "classes.txt").write_text("\n".join(f"thing {t}" for t in range(50)))
    output = root.parent / "out"
    assert run(main, [str(root), f"--output={output}"]) == 0
    assert "and 10 smaller classes" in capsys.readouterr().out
    assert "|  49 | thing 49 |" in (output / "report.md").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "required: FOLDER"),
        (["{root}", "--outpu=out"], "--outpu is not an option; did you mean --output?"),
        (["{root}", "--previews=two", "--output=out"], "invalid int value"),
        (["{root}", "--previews=-1", "--output=out"], "takes a number from 0"),
        (["{root}", "--previews=3"], "needs --output"),
        (["{root}/missing"], "is no folder"),
        (["{root}", "--output={root}/classes.txt"], "cannot be written"),
    ],
)
def test_wrong_use(root: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [flag.format(root=root) for flag in flags]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(main, ["--help"])
    assert caught.value.code == 0
    assert "\n    hclip check my_data --output=my_data_check\n" in capsys.readouterr().out


def test_ids_to_ignore_are_unlabelled(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (root / "labels").glob("*/*.png"):
        raw = np.array(Image.open(path))
        raw[:20] = 11
        Image.fromarray(raw).save(path)
    assert run(main, [str(root)]) == 1
    assert "ids that are no class: 11" in capsys.readouterr().out
    assert run(main, [str(root), "--ignore=11"]) == 0
    out = capsys.readouterr().out
    assert "50.0" in out
    assert out.endswith("0 errors, 0 warnings\n")
    assert run(main, [str(root), "--ignore=void"]) == 2
    assert "--ignore=void must be ids from 0" in capsys.readouterr().err
