"""The command line as a person calls it: what good runs leave behind, and what bad input gets."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grain
import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache
from PIL import Image
from safetensors.numpy import save_file

from hclip_jax.config import to_dict
from hclip_jax.data.scenes import ScenesSource
from hclip_jax.evaluation.iou import FIGURES
from hclip_jax.main import main
from hclip_jax.training.workdir import claim
from hclip_jax.weights.clip_names import clip_tensors
from tests.models import micro

PICTURES = 16  # of the folder's train split: two batches


@pytest.fixture(scope="module", autouse=True)
def _compile_quickly_and_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    def use(programs: str | None, quickly: bool) -> None:
        jax.config.update("jax_compilation_cache_dir", programs)
        jax.config.update("jax_disable_most_optimizations", quickly)
        compilation_cache.reset_cache()  # which else goes on as it was first used in this process

    use(str(tmp_path_factory.mktemp("programs")), quickly=True)
    yield
    use(None, quickly=False)


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configs") / "micro.py"
    path.write_text("from tests.models import micro_dict as get_config\n")
    return path


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A labelled folder: p00 to p15 to train with, and p00 to evaluate on."""
    root = tmp_path / "shapes"
    for split, count in (("train", PICTURES), ("val", 1)):
        scenes = ScenesSource(split, "shapes", count)
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            example = scenes[i]
            Image.fromarray(example["image"]).save(root / f"images/{split}/p{i:02d}.png")
            label = Image.fromarray(example["label"].astype(np.uint8))  # IGNORE becomes 255
            label.save(root / f"labels/{split}/p{i:02d}.png")
    (root / "classes.txt").write_text("\n".join(ScenesSource("train", "shapes").classes) + "\n")
    return root


def of_folder(root: Path) -> tuple[str, ...]:
    return f"--config.data.root={root}", "--config.data.vocabulary="


@pytest.fixture
def refusal(config_file: Path, workdir: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Calls the command line with the micro configuration, and returns the error it must end with."""

    def call(*flags: str, alone: bool = False) -> str:
        before = sorted(workdir.parent.rglob("*"))
        usual = () if alone else (f"--config={config_file}", f"--workdir={workdir}")
        status = main(["main", *usual, *flags])
        err = capsys.readouterr().err
        assert status == 2
        assert err.startswith("error: ")
        assert err.count("error: ") == 1
        assert "Traceback" not in err
        assert sorted(workdir.parent.rglob("*")) == before  # neither the workdir nor anything in it
        return err

    return call


# --------------------------------------------------------------------------------------- good runs


@pytest.fixture(scope="module")
def trained(config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished training of four steps with an evaluation after the last."""
    workdir = tmp_path_factory.mktemp("runs") / "micro"
    assert main(command(config_file, workdir)) == 0
    return workdir


def command(config_file: Path, workdir: Path) -> list[str]:
    given = ("train.trainable=('head',)", "train.evaluate_every=4", "evaluation.pictures=2")
    return [
        "main",
        f"--config={config_file}",
        f"--workdir={workdir}",
        *(f"--config.{change}" for change in given),
    ]


def lines(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def contents(workdir: Path) -> dict[str, bytes]:
    files = (path for path in workdir.rglob("*") if path.is_file())
    return {str(path.relative_to(workdir)): path.read_bytes() for path in files}


def test_a_training_leaves_what_is_promised(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "config.json",
        "metrics.jsonl",
        "checkpoints",
        "evaluation",
        "overlays",
    }
    expected = to_dict(micro(evaluate_every=4, trainable=("head",)))
    expected["evaluation"]["pictures"] = 2
    assert json.loads((trained / "config.json").read_text()) == expected
    assert {path.name for path in (trained / "checkpoints").iterdir()} == {"2", "4"}

    logged = lines(trained)
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 4]
    assert all(np.isfinite(line["loss"]) for line in logged[:4])
    assert set(logged[4]["evaluation"]["val"]) == set(FIGURES)

    reports = trained / "evaluation"
    assert {path.name for path in reports.iterdir()} == {"val.json", "val.csv", "val.md"}
    report = json.loads((reports / "val.json").read_text())
    assert report["summary"] == logged[4]["evaluation"]["val"]
    assert (report["details"]["step"], report["details"]["pictures"]) == (4, 2)
    classes = ScenesSource("val", "shapes").classes
    assert [row["name"] for row in report["per_class"]] == list(classes)
    assert len((reports / "val.csv").read_text().splitlines()) == 1 + len(classes)
    (overlay,) = (trained / "overlays" / "val").iterdir()
    assert overlay.name == "val_00000.png"
    with Image.open(overlay) as picture:
        picture.load()


def test_running_a_finished_training_again_trains_nothing(
    trained: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(trained)
    assert main(command(config_file, trained)) == 0
    assert "resuming after step 4 of 4" in capsys.readouterr().out
    after = contents(trained)
    assert after.keys() == before.keys()
    same = {name for name in after if after[name] == before[name]}
    assert after.keys() - same <= {"metrics.jsonl"}
    assert [line["step"] for line in lines(trained) if "loss" in line] == [1, 2, 3, 4]


def test_evaluating_a_finished_training(
    trained: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(trained)
    again = [*command(config_file, trained), "--mode=evaluate", "--config.evaluation.pictures=1"]
    assert main(again) == 0
    assert "step 4  val: mIoU" in capsys.readouterr().out
    report = json.loads((trained / "evaluation" / "val.json").read_text())
    assert (report["details"]["step"], report["details"]["pictures"]) == (4, 1)
    after = contents(trained)
    assert after.keys() == before.keys()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"config.json", *(f"evaluation/val.{kind}" for kind in ("json", "csv", "md"))}


# -------------------------------------------------------------------------------------- bad command


@pytest.mark.parametrize("argv", [["--help"], ["--config=x.py", "--help"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["main", *argv]) == 0
    out, err = capsys.readouterr()
    assert all(flag in out for flag in ("--config=", "--config.a.b=", "--workdir=", "--mode=", "evaluate"))
    assert not err


def test_the_exit_status_reaches_the_shell() -> None:
    command = [sys.executable, "-m", "hclip_jax.main", "--config=configs/tiny.py", "--workdir=nowhere"]
    done = subprocess.run([*command, "--config.trian.steps=3"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: config.trian is not a field;")
    assert done.stderr.count("\n") == 1
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--config.train.step=3", ("config.train.step is not a field", "did you mean steps?")),
        ("--config.trian.steps=3", ("config.trian is not a field", "did you mean train?")),
        ("--config.train.steps.x=3", ("--config.train.steps.x is not a field", "steps holds 4")),
        ("--config.train.steps=abc", ("config.train.steps is 'abc'", "a whole number")),
        ("--config.train.steps=1.5", ("config.train.steps is 1.5", "a whole number")),
        ("--config.train.evaluate_first=maybe", ("config.train.evaluate_first is 'maybe'", "True or")),
        ("--config.head.decoder=(8,'a')", ("config.head.decoder[1] is 'a'", "a whole number")),
        ("--config.head.decoder=(8", ("config.head.decoder is '(8'", "a tuple, such as")),
        ("--config.train=3", ("config.train is 3", "a group of fields")),
        ("--config.model.dtype=half", ("config.model.dtype is 'half'", "float32, bfloat16")),
        ("--config.train.steps", ("'--config.train.steps' is not a flag", "--config.FIELD=VALUE")),
        ("--wrokdir=x", ("'--wrokdir=x' is not a flag", "--workdir=DIR")),
        ("stray", ("'stray' is not a flag", "--workdir=DIR")),
        ("--mode=test", ("--mode=test", "train|evaluate")),
        ("--config=", ("--config is missing", "--config=FILE")),
        ("--workdir=", ("--workdir is missing", "--workdir=DIR")),
    ],
)
def test_bad_flags(flag: str, words: tuple[str, ...], refusal: Callable[..., str]) -> None:
    message = refusal(flag)
    assert all(word in message for word in words), message
    assert message.count("\n") == 1


def test_missing_flags(refusal: Callable[..., str]) -> None:
    assert "--config is missing" in refusal(alone=True)
    assert "--config is missing" in refusal("--workdir=x", alone=True)
    assert "--workdir is missing" in refusal("--config=configs/tiny.py", alone=True)


def test_values_of_flags_are_what_they_look_like(
    config_file: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("hclip_jax.training.loop.train", lambda *given: seen.append(given))
    flags = (
        "--config.train.evaluate_first=true",
        "--config.train.learning_rate=1e-3",
        "--config.head.decoder=(16, 8)",
        "--config.data.root=42",
        "--config.evaluation.sets.val.split=test",
        "--config.train.trainable=('head',)",
    )
    assert main(["main", f"--workdir={workdir}", *flags, f"--config={config_file}"]) == 0
    ((config, where),) = seen
    assert where == workdir
    assert config.train.evaluate_first is True
    assert config.train.learning_rate == 1e-3
    assert config.head.decoder == (16, 8)
    assert config.data.root == "42"
    assert config.evaluation.sets["val"].split == "test"
    assert config.train.trainable == ("head",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("def get_config(:\n", "SyntaxError: invalid syntax"),
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("x = 1\n", "get_config"),
        ("def get_config():\n    return {}\n", "to_dict"),
        ("def get_config():\n    raise ValueError('two\\nlines')\n", "ValueError: two lines"),
    ],
)
def test_bad_config_files_are_named(
    content: str | None, words: str, tmp_path: Path, workdir: Path, refusal: Callable[..., str]
) -> None:
    path = tmp_path / "bad.py"
    if content is not None:
        path.write_text(content)
    message = refusal(f"--config={path}", f"--workdir={workdir}", alone=True)
    assert message.startswith(f"error: --config={path} cannot be used (")
    assert words in message
    assert "get_config() returns a ConfigDict" in message
    assert message.count("\n") == 1


# ----------------------------------------------------------------------------------------- bad data


def _resize_label(root: Path) -> None:
    Image.new("L", (7, 9)).save(root / "labels/train/p03.png")


def _colour_label(root: Path) -> None:
    path = root / "labels/train/p03.png"
    with Image.open(path) as label:
        coloured = label.convert("RGB")
    coloured.save(path)


def _rename_class(name: str) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        names = (root / "classes.txt").read_text().splitlines()
        (root / "classes.txt").write_text("\n".join([names[0], name, *names[2:]]) + "\n")

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no folder": (lambda root: root.rename(f"{root}.old"), ("the data root", "is no folder")),
    "no classes": (lambda root: (root / "classes.txt").unlink(), ("has no classes.txt",)),
    "no split": (lambda root: (root / "images/val").rename(root / "images/dev"), ("'val'", "dev")),
    "no label": (lambda root: (root / "labels/train/p03.png").unlink(), ("no label for p03.png",)),
    "other size": (_resize_label, ("p03.png is 7x9", "make each label as large")),
    "colour label": (_colour_label, ("labels/train/p03.png", "mode RGB", "single channel")),
    "no picture": (
        lambda root: (root / "images/train/p03.png").write_bytes(b"GIF89a or not"),
        ("cannot read", "images/train/p03.png"),
    ),
    "empty name": (_rename_class(""), ("classes.txt: line 2 is ''", "letter or a digit")),
    "same name": (_rename_class("sky"), ("line 1 and line 2 are both 'sky'", "rename")),
    "long name": (_rename_class("very " * 80 + "long"), ("tokens", "at most 77", "shorten")),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_folders_are_refused_before_anything_is_made(
    name: str, folder: Path, refusal: Callable[..., str]
) -> None:
    damage, words = DAMAGES[name]
    damage(folder)
    message = refusal(*of_folder(folder))
    assert all(word in message for word in words), message


def test_words_of_an_evaluation_set_are_looked_at_before_training(
    tmp_path: Path, folder: Path, refusal: Callable[..., str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("long " * 80 + "\n")
    flags = (f"--config.evaluation.sets.val.{field}" for field in (f"root={folder}", f"classes={names}"))
    flags = tuple(flags)
    for mode in ("train", "evaluate"):
        message = refusal(*flags, f"--mode={mode}")
        assert "at most 77" in message, message


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--config.data.root=",), ("config.data.root is empty", "scenes")),
        (("--config.data.vocabulary=animals",), ("'animals'", "seen, all, shapes")),
        (("--config.data.split=dev",), ("'dev'", "train, val, test")),
        (("--config.data.classes=x.txt",), ("x.txt", "vocabulary")),
        (("--config.train.batch=12",), ("config.train.batch is 12", "multiple of 8")),
        (("--config.prompts.templates=('a photo',)",), ("'a photo'", "once")),
    ],
)
def test_values_that_only_the_data_and_devices_refuse(
    flags: tuple[str, ...], words: tuple[str, ...], refusal: Callable[..., str]
) -> None:
    message = refusal(*flags)
    assert all(word in message for word in words), message


def test_a_bad_label_found_while_training_leaves_whole_checkpoints_only(
    folder: Path, workdir: Path, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = list(grain.MapDataset.range(PICTURES).seed(0).shuffle())[-1]  # so in the second batch
    label = folder / f"labels/train/p{last:02d}.png"
    with Image.open(label) as picture:
        size = picture.size
    Image.new("L", size, 99).save(label)

    changes = ("--config.train.checkpoint_every=1", "--config.train.evaluate_every=0")
    assert main([*command(config_file, workdir), *of_folder(folder), *changes]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {label} holds the class id 99, but with ")
    assert err.count("\n") == 1
    assert [path.name for path in (workdir / "checkpoints").iterdir()] == ["1"]
    assert [line["step"] for line in lines(workdir)] == [1]


# ------------------------------------------------------------------------------ bad weights, workdir


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_weights_that_are_not_there(mode: str, tmp_path: Path, refusal: Callable[..., str]) -> None:
    message = refusal("--config.clip.weights=", f"--mode={mode}")
    assert "config.clip.weights is empty" in message
    assert "huggingface.co" in message
    assert "--config.clip.weights=FILE" in message
    missing = tmp_path / "clip.safetensors"
    assert f"{missing} is not a file" in refusal(f"--config.clip.weights={missing}", f"--mode={mode}")


def test_weights_of_another_kind(tmp_path: Path, refusal: Callable[..., str]) -> None:
    path = tmp_path / "clip.pt"
    path.write_bytes(b"PK\x03\x04 and so on, as torch.save writes it")
    message = refusal(f"--config.clip.weights={path}")
    assert f"{path} cannot be read as safetensors" in message


def test_weights_of_another_model_get_a_three_way_difference(
    tmp_path: Path, refusal: Callable[..., str]
) -> None:
    tensors = {t.name: np.zeros(t.shape, np.float32) for t in clip_tensors(micro().clip)}
    tensors["visual.extra"] = tensors.pop("visual.proj")
    tensors["ln_final.bias"] = np.zeros(5, np.float32)
    path = tmp_path / "clip.safetensors"
    save_file(tensors, path)
    message = refusal(f"--config.clip.weights={path}")
    assert f"{path} does not fit the model" in message
    assert "only in the file: visual.extra\n" in message
    assert "only in the model: visual.proj\n" in message
    assert "shape differs: ln_final.bias (5,) in the file, (16,) in the model\n" in message


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_a_workdir_of_another_configuration(mode: str, workdir: Path, refusal: Callable[..., str]) -> None:
    claim(workdir, micro())
    before = contents(workdir)
    message = refusal("--config.seed=3", "--config.head.layers=2", f"--mode={mode}")
    assert f"{workdir} holds a training of another configuration; head.layers, seed differ" in message
    assert contents(workdir) == before
