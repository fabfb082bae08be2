"""`hclip convert`: model directories from weights of other programs and from work directories."""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from hclip_jax.errors import UserError
from hclip_jax.io.progress import console
from hclip_jax.load import open_model
from hclip_jax.tools.command_line import run
from hclip_jax.tools.convert import main
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.export import merge_adapters
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import load_model, save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests import tolerance, trained
from tests.tools.calling import Capture, refuse, succeed
from tests.weights.sample_files import FILES

refused = functools.partial(refuse, main)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory of a training whose adapters differ from their initial values."""
    return trained.train(tmp_path_factory.mktemp("runs") / "micro")


def converted(*argv: object, capture: Capture) -> list[list[str]]:
    """Lines that a conversion prints, split at blanks."""
    out = succeed(main, *argv, capture=capture)
    return [line.replace("│", " ").replace("┃", " ").split() for line in out.splitlines()]


def arrays(model: Checkpoint) -> dict[str, np.ndarray]:
    return {path: np.asarray(leaf) for path, leaf in model.params.items()}


def test_model_table(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_width", 200)  # no line is folded
    rows = converted(FILES / "hclip.pth", tmp_path / "model", capture=capsys)
    table = {row[0]: " ".join(row[1:]) for row in rows if len(row) > 1}
    model = open_checkpoint(FILES / "hclip.pth")
    assert table["model"] == 'the published H-CLIP, hclip.pth["model"]'
    assert table["image"] == "tower 2 layers, width 8, 1 heads, patches of 4 at 16"
    assert table["text"] == "tower 2 layers, width 4, 1 heads, 16 tokens of 64"
    assert table["embedding"] == "6 dimensions"
    assert table["activation"] == "quick_gelu (assumed: --activation)"
    for part in ("clip", "adapters", "head"):
        count = sum(leaf.size for leaf in arrays(model.only(part)).values())
        assert table[part] == f"{count:,} parameters, float32"
    assert table["left"].startswith("out 17 buffers without parameters: ")
    assert table["sha256"] == hashlib.sha256((FILES / "hclip.pth").read_bytes()).hexdigest()
    assert ["of", "no", "known", "file"] in rows
    tolerance.assert_same(arrays(load_model(tmp_path / "model")), arrays(model))


def test_assumed_activation_is_marked(tmp_path: Path, capsys: Capture) -> None:
    rows = converted(FILES / "epoch_1.pt", tmp_path / "assumed", capture=capsys)
    assert "activation gelu (assumed: --activation)" in map(" ".join, rows)
    rows = converted(FILES / "epoch_1.pt", tmp_path / "given", "--activation=quick_gelu", capture=capsys)
    assert "activation quick_gelu" in map(" ".join, rows)
    assert load_model(tmp_path / "given").clip.activation == "quick_gelu"
    message = refused(FILES / "openai.pt", tmp_path / "x", "--activation=gelu", capture=capsys)
    assert "openai.pt states the activation quick_gelu" in message


def test_checksums_depend_only_on_the_weights(tmp_path: Path, capsys: Capture) -> None:
    def checksums(source: Path, target: str) -> list[str]:
        rows = converted(source, tmp_path / target, "--verify", capture=capsys)
        return [" ".join(row) for row in rows if "checksum" in row]

    half = checksums(FILES / "openai.pt", "half")
    assert [line.split(":")[0] for line in half] == ["image 0", "image 1", "text 0", "text 1", "text 2"]
    assert len({line.split("checksum")[1] for line in half}) == 5
    single = merge_adapters(open_checkpoint(FILES / "openai.pt"), np.dtype(np.float32), keep_precision=False)
    save_model(tmp_path / "single", single)
    assert checksums(tmp_path / "half", "half again") == half
    assert checksums(tmp_path / "single", "single again") == half
    assert checksums(FILES / "catseg.pth", "other") != half


def test_verify_says_whether_it_is_right(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = FILES / "openai.pt", tmp_path / "model"
    out = succeed(main, source, target, "--verify", capture=capsys)
    assert f"\nright: the features of {target} equal those of {source} exactly\n" in out

    def damaged(path: Path) -> Checkpoint:
        model = load_model(path)
        leaf = np.asarray(model.params["clip/image/projection"])
        params = {**model.params, "clip/image/projection": LazyArray.of(leaf[::-1].copy())}
        return dataclasses.replace(model, params=params)

    monkeypatch.setattr("hclip_jax.weights.model_directory.load_model", damaged)
    assert run(main, [str(source), str(tmp_path / "wrong"), "--verify"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'wrong'} is wrong: its features differ by ")


def test_work_directory(workdir: Path, tmp_path: Path, capsys: Capture) -> None:
    converted(workdir, tmp_path / "model", capture=capsys)
    model = load_model(tmp_path / "model")
    tolerance.assert_same(arrays(model), flatten_dict(trained.params(), sep="/"))
    assert model.parts == ("clip", "adapters", "head")
    assert model.spec is not None
    assert model.spec.class_names == trained.CLASSES
    assert model.source == "training micro, step 4, CLIP from random"
    assert model.clip.weights == ""


def test_adapters_are_separated_from_clip_and_joined_again(
    workdir: Path, tmp_path: Path, capsys: Capture
) -> None:
    whole, adapters, base, again = (tmp_path / name for name in ("whole", "adapters", "base", "again"))
    converted(workdir, whole, capture=capsys)
    converted(workdir, adapters, "--adapters_only", capture=capsys)
    assert load_model(adapters).parts == ("adapters", "head")
    sizes = [(path / "model.safetensors").stat().st_size for path in (whole, adapters)]
    clip = sum(leaf.nbytes for leaf in arrays(load_model(whole).only("clip")).values())
    assert 0 < sizes[0] - sizes[1] - clip < 10_000  # the size of CLIP and of its names
    save_model(
        base, Checkpoint("", "base", load_model(whole).clip, None, load_model(whole).only("clip").params)
    )

    assert "--verify runs CLIP" in refused(adapters, again, "--verify", capture=capsys)
    assert "--verify runs CLIP" in refused(workdir, again, "--adapters_only", "--verify", capture=capsys)
    assert not again.exists()
    converted(adapters, again, f"--base={base}", capture=capsys)
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    cards = [json.loads((path / "config.json").read_text()) for path in (again, whole)]
    assert cards[0] == cards[1]


def test_wrong_base(workdir: Path, tmp_path: Path, capsys: Capture) -> None:
    adapters = tmp_path / "adapters"
    converted(workdir, adapters, "--adapters_only", capture=capsys)
    target = tmp_path / "target"
    for base in (FILES / "openai.pt", FILES / "hclip.pth"):
        assert "is not the CLIP that" in refused(adapters, target, f"--base={base}", capture=capsys)
    message = refused(adapters, target, f"--base={adapters}", capture=capsys)
    assert "holds adapters without CLIP" in message
    message = refused(workdir, target, f"--base={FILES / 'openai.pt'}", capture=capsys)
    assert "leave --base out" in message
    assert "CLIP alone" in refused(FILES / "openai.pt", target, "--adapters_only", capture=capsys)
    assert "has no adapters" in refused(FILES / "catseg.pth", target, "--adapters_only", capture=capsys)
    assert not target.exists()


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (("nowhere.pt", "{}/target"), ("nowhere.pt does not exist", "--workdir")),
        (("{}/empty", "{}/target"), ("empty holds none of model.safetensors",)),
        ((FILES / "legacy.pth", "{}/target"), ("legacy.pth is not a zip file", "torch.save")),
        ((FILES / "plain.pth", "{}/target"), ("plain.pth holds no model of a known format",)),
        ((FILES / "openai.pt", "{}/full"), ("full exists already",)),
        (("nowhere.pt", "{}/full"), ("full exists already",)),  # the target is looked at first
        (("nowhere.pt", "{}/full/notes.txt/x"), ("x cannot be written (Not a directory)",)),
        (("nowhere.pt", "{}/" + "x" * 300), ("cannot be written (File name too long)",)),
        ((FILES / "openai.pt", "{}/full/notes.txt/x"), ("cannot be written",)),
        ((FILES / "openai.pt",), ("TARGET", "--help")),
        ((FILES / "openai.pt", "{}/target", "--activation=relu"), ("relu", "--help")),
        ((FILES / "openai.pt", "{}/target", "--verfy"), ("--verfy", "--help")),
    ],
)
def test_wrong_use(argv: tuple[object, ...], parts: tuple[str, ...], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    message = refused(*(str(arg).format(tmp_path) for arg in argv), capture=capsys)
    assert all(part in message for part in parts), message
    assert sorted(tmp_path.rglob("*")) == before


def test_work_directory_without_class_names(workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / "run" / name).write_bytes((workdir / name).read_bytes())
    (tmp_path / "run/checkpoints").symlink_to(workdir / "checkpoints")
    with pytest.raises(UserError, match=r"classes\.txt cannot be read"):
        open_model(tmp_path / "run")
