"""`hclip merge`: CLIP with its adapters merged, for programs without adapter code."""

import dataclasses
import functools
import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from hclip_jax.load import open_model
from hclip_jax.tools import convert
from hclip_jax.tools.command_line import run
from hclip_jax.tools.merge import FORMATS, main
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.clip_features import clip_features, fixed_inputs
from hclip_jax.weights.export import EXPORTS, merge_adapters
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import load_model, save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from hclip_jax.weights.weight_file import open_weights
from tests import tolerance, trained
from tests.tools import calling
from tests.tools.calling import Capture
from tests.weights.sample_files import FILES

TARGETS = {
    "vitb": "model",
    "vitb.pt": "openai",
    "vitb.safetensors": "openai",
    "for_transformers": "huggingface",
}

KINDS = ("query", "key", "value", "out")

succeed, refused = functools.partial(calling.succeed, main), functools.partial(calling.refuse, main)


def test_formats_are_those_of_the_exports() -> None:
    assert tuple(EXPORTS) == FORMATS


def features(model: Checkpoint) -> tuple[np.ndarray, np.ndarray]:
    params = model.only("clip").load_params()["clip"]
    return clip_features(model.clip, params, *fixed_inputs(model.clip))


def adapted(model: Checkpoint) -> tuple[np.ndarray, np.ndarray]:
    """Features with the adapters, merged as in training."""
    return features(merge_adapters(model, None, keep_precision=True))


def tensors(path: Path) -> dict[str, tuple[np.dtype, tuple[int, ...], bytes]]:
    """Dtype, shape and bytes of each tensor of a file."""
    arrays = {name: np.asarray(tensor) for name, tensor in open_weights(path).tensors.items()}
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}


def printed(out: str) -> list[float]:
    """The four differences that a merge prints: image and text, in float32 and bfloat16."""
    lines = [line for line in out.splitlines() if line.startswith("largest difference")]
    assert [line.split(" in ")[1].split(":")[0] for line in lines] == ["float32", "bfloat16"]
    return [float(x) for line in lines for x in re.findall(r"(?:image|text) (\S+?)(?:,|$)", line)]


@pytest.mark.parametrize("target", TARGETS)
def test_features_are_those_of_the_adapted_model(target: str, tmp_path: Path, capsys: Capture) -> None:
    source = FILES / "hclip.pth"
    before = open_model(source)
    out = succeed(source, tmp_path / target, f"--format={TARGETS[target]}", capture=capsys)
    assert out.endswith(f"{tmp_path / target} is written\n")
    assert printed(out) == [0, 0, 0, 0]
    assert f"\nright: the merged features equal those of {source} with its adapters exactly\n" in out
    assert [path.name for path in tmp_path.iterdir()] == [target]
    after = open_model(tmp_path / target, activation=before.clip.activation)
    assert "adapters" not in after.parts
    for got, want, frozen in zip(features(after), adapted(before), features(before), strict=True):
        tolerance.assert_within(got, want, 1e-5)
        assert np.abs(frozen - want).max() > 0.01


def test_work_directory(tmp_path: Path, capsys: Capture) -> None:
    workdir = trained.train(tmp_path / "run")
    assert run(convert.main, [str(workdir), str(tmp_path / "whole")]) == 0
    assert run(convert.main, [str(tmp_path / "whole"), str(tmp_path / "adapters"), "--adapters_only"]) == 0
    capsys.readouterr()
    message = refused(tmp_path / "adapters", tmp_path / "clip.pt", "--format=openai", capture=capsys)
    assert "holds adapters without CLIP; give the CLIP they were trained on as --base" in message
    succeed(workdir, tmp_path / "merged", "--format=model", capture=capsys)
    out = succeed(tmp_path / "whole", tmp_path / "clip.pt", "--format=openai", capture=capsys)
    assert printed(out) == [0, 0, 0, 0]
    model = load_model(tmp_path / "merged")
    assert model.parts == ("clip", "head")
    assert model.spec is not None
    assert model.spec.class_names == trained.CLASSES
    assert model.source == "training run, step 4, CLIP from random, merged"
    want = adapted(load_model(tmp_path / "whole"))
    for got, expected in zip(features(model), want, strict=True):
        tolerance.assert_within(got, expected, 1e-5)
    with_heads = open_checkpoint(tmp_path / "clip.pt", like=model.clip)  # the file does not state the heads
    for got, expected in zip(features(with_heads), want, strict=True):
        tolerance.assert_within(got, expected, 1e-5)


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_dtype(name: str, tmp_path: Path, capsys: Capture) -> None:
    dtype = np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
    target = tmp_path / "clip.safetensors"
    out = succeed(FILES / "hclip.pth", target, "--format=openai", f"--dtype={name}", capture=capsys)
    assert {kind for kind, _, _ in tensors(target).values()} == {dtype}
    image, text = printed(out)[:2]
    rounding = {"float32": 0, "float16": 0.01, "bfloat16": 0.1}[name]
    for difference in (image, text):
        assert difference <= rounding
        assert (difference > 0) == (rounding > 0)


def test_head_of_a_model_directory_is_unchanged(tmp_path: Path, capsys: Capture) -> None:
    succeed(FILES / "hclip.pth", tmp_path / "half", "--format=model", "--dtype=float16", capture=capsys)
    model, before = load_model(tmp_path / "half"), open_model(FILES / "hclip.pth")
    assert {str(leaf.dtype) for leaf in model.only("clip").params.values()} == {"float16"}
    for path, leaf in before.only("head").params.items():
        assert tensors(tmp_path / "half")[path][2] == np.asarray(leaf).tobytes()


@pytest.fixture
def on_half_clip() -> Checkpoint:
    """Adapters in float32 on a CLIP in float16."""
    model = open_checkpoint(FILES / "hclip.pth")
    clip = {path: np.asarray(leaf).astype(np.float16) for path, leaf in model.only("clip").params.items()}
    half = {path: LazyArray.of(value) for path, value in clip.items()}
    return dataclasses.replace(model, params={**model.params, **half})


def test_unchanged_tensors_keep_their_dtype(on_half_clip: Checkpoint) -> None:
    changed = {
        f"clip/{tower}/blocks/attention/{kind}/kernel" for tower in ("image", "text") for kind in KINDS
    }
    precise = merge_adapters(on_half_clip, None, keep_precision=True)
    assert {p for p, leaf in precise.only("clip").params.items() if leaf.dtype == np.float32} == changed
    exported = merge_adapters(on_half_clip, None, keep_precision=False)
    assert {str(leaf.dtype) for leaf in exported.only("clip").params.values()} == {"float16"}
    single = merge_adapters(
        on_half_clip, np.dtype(np.float32), keep_precision=False
    )  # without rounding to float16 in between
    for path in changed:
        np.testing.assert_array_equal(np.asarray(single.params[path]), np.asarray(precise.params[path]))


def test_values_that_are_too_large_for_a_dtype(tmp_path: Path, capsys: Capture) -> None:
    model = open_checkpoint(FILES / "hclip.pth")
    large = LazyArray.of(np.full(8, 1e5, np.float32))
    leaves = {**model.params, "clip/image/class_embedding": large}
    save_model(tmp_path / "model", dataclasses.replace(model, params=leaves))
    argv = (tmp_path / "model", tmp_path / "clip.pt", "--format=openai", "--dtype=float16")
    message = refused(*argv, capture=capsys)
    assert "clip/image/class_embedding holds values that are too large for float16" in message
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_written(value: float, tmp_path: Path, capsys: Capture) -> None:
    model = open_checkpoint(FILES / "hclip.pth")
    path = "clip/text/projection"
    wrong = LazyArray.of(np.full(model.params[path].shape, value, np.float32))
    clip = dataclasses.replace(model.only("clip"), spec=None)
    save_model(tmp_path / "model", dataclasses.replace(clip, params={**clip.params, path: wrong}))
    for target, kind in TARGETS.items():
        message = refused(tmp_path / "model", tmp_path / target, f"--format={kind}", capture=capsys)
        assert f"{tmp_path / 'model'}/model.safetensors: {path} holds values that are not finite" in message
        assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("scale", "written"), [(1e-6, True), (1e-3, False)])
def test_result_is_compared_before_it_is_renamed_to_the_target(
    scale: float, written: bool, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(target: Path, model: Checkpoint) -> None:
        leaf = np.asarray(model.params["clip/image/projection"])
        off = leaf + scale * np.random.default_rng(0).standard_normal(leaf.shape, np.float32)
        save_model(
            target,
            dataclasses.replace(model, params={**model.params, "clip/image/projection": LazyArray.of(off)}),
        )

    monkeypatch.setitem(EXPORTS, "model", export)
    argv = (FILES / "hclip.pth", tmp_path / "target", "--format=model")
    if written:
        out = succeed(*argv, capture=capsys)
        assert 0 < printed(out)[0] < 1e-5
        (said,) = re.findall(r"right: .* with its adapters within (\S+), and rounding explains 4e-06\n", out)
        assert float(said) == float(f"{max(printed(out)[:2]):.1g}")
    else:
        assert "with its adapters, where rounding explains 3.8e-06" in refused(*argv, capture=capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["target"] * written


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_openai_file_is_reproduced_bit_for_bit(suffix: str, tmp_path: Path, capsys: Capture) -> None:
    """Float16 matrices, float32 norms; without the three sizes, which OpenAI's loader deletes."""
    assert run(convert.main, [str(FILES / "openai.pt"), str(tmp_path / "model")]) == 0
    capsys.readouterr()
    target = tmp_path / f"again{suffix}"
    assert printed(succeed(tmp_path / "model", target, "--format=openai", capture=capsys)) == [0, 0, 0, 0]
    want = tensors(FILES / "openai.pt")
    for name in ("input_resolution", "context_length", "vocab_size"):
        del want[name]
    assert tensors(target) == want
    assert {str(dtype) for dtype, _, _ in want.values()} == {"float16", "float32"}


@pytest.mark.parametrize("name", ["huggingface", "huggingface_bin"])
def test_huggingface_folder_is_reproduced_bit_for_bit(name: str, tmp_path: Path, capsys: Capture) -> None:
    assert run(convert.main, [str(FILES / name), str(tmp_path / "model")]) == 0
    capsys.readouterr()
    target = tmp_path / "again"
    succeed(tmp_path / "model", target, "--format=huggingface", capture=capsys)
    want = {n: t for n, t in tensors(FILES / name).items() if not n.endswith("position_ids")}
    assert tensors(target) == want
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]
    ours, theirs = open_weights(target).hf_config, open_weights(FILES / name).hf_config
    for group in ("text_config", "vision_config"):
        for field, value in ours[group].items():
            if field != "eos_token_id":  # older files say 2, which transformers takes for "the largest"
                assert theirs[group][field] == value, field


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (("{files}/hclip.pth", "{}/clip.bin", "--format=openai"), ("clip.bin has the suffix '.bin'", ".pt")),
        (("{files}/hclip.pth", "{}/clip", "--format=openai"), ("clip has the suffix ''",)),
        (("{files}/hclip.pth", "{}/there.pt", "--format=openai"), ("there.pt exists already",)),
        (("{files}/hclip.pth", "{}/there.pt", "--format=huggingface"), ("there.pt exists already",)),
        (("{files}/hclip.pth", "{}", "--format=model"), ("exists already",)),
        (("{}/nowhere", "{}", "--format=model"), ("exists already",)),  # the target is looked at first
        (("{}/nowhere", "{}/clip.bin", "--format=openai"), ("clip.bin has the suffix '.bin'",)),
        (("{files}/hclip.pth", "{}/there.pt/x", "--format=model"), ("cannot be written",)),
        (("{files}/hclip.pth", "{}/there.pt/x.pt", "--format=openai"), ("cannot be written",)),
        (("{files}/hclip.pth", "{}/x"), ("--format", "--help")),
        (("{files}/hclip.pth", "{}/x", "--format=onnx"), ("onnx", "--help")),
        (("{files}/hclip.pth", "{}/x", "--format=model", "--dtype=int8"), ("int8", "--help")),
        (("{}/nowhere", "{}/x", "--format=model"), ("nowhere does not exist",)),
        (("{files}/hclip.pth", "{}/x", "--format=model", "--base={files}/openai.pt"), ("leave --base out",)),
    ],
)
def test_wrong_use(argv: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "there.pt").write_text("mine")
    message = refused(*(arg.format(tmp_path, files=FILES) for arg in argv), capture=capsys)
    assert all(part in message for part in parts), message
    assert [path.name for path in tmp_path.rglob("*")] == ["there.pt"]
    assert (tmp_path / "there.pt").read_text() == "mine"
