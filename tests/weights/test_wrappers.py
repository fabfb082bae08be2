"""Checkpoints of training programs: keys, prefixes and objects round the weights of a CLIP."""

import argparse
import collections
import datetime
import signal
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from hclip_jax.errors import UserError
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.open_checkpoint import open_checkpoint
from hclip_jax.weights.torch_zip.writer import write_torch
from hclip_jax.weights.weight_file import open_weights
from tests.weights.sample_files import FILES
from tests.weights.sample_models import values
from tests.weights.torch_save import Quantized, torch_save

PREFIXES = (
    *("_orig_mod.", "module.", "model.", "clip.", "clip_model."),
    *("module._orig_mod.", "_orig_mod.module.model.clip.", "model.clip_model.", "model.model."),
)
KEYS = ("model", "state_dict", "model_state_dict", "state_dict_ema", "model_ema")


def tensors(file: str = "openai.pt") -> dict[str, LazyArray]:
    return dict(open_weights(FILES / file).tensors)


def refused(path: Path) -> str:
    """The message with which a file is refused."""
    with pytest.raises(UserError) as error:
        open_checkpoint(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert message.count(str(path)) == 1
    assert message.isprintable()
    return message


@pytest.mark.parametrize("file", ["openai.pt", "huggingface", "open_clip_text", "hclip.pth"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_are_removed(prefix: str, file: str, tmp_path: Path) -> None:
    like = open_checkpoint(FILES / file).clip
    write_torch(tmp_path / "x.pt", {f"{prefix}{name}": x for name, x in tensors(file).items()})
    result = open_checkpoint(tmp_path / "x.pt", like)
    assert values(result) == values(open_checkpoint(FILES / file))
    model_prefix = prefix.replace("_orig_mod.", "").replace("module.", "")
    assert result.source.endswith(f"x.pt without {model_prefix}" if model_prefix else "x.pt")


def test_wrappers_of_a_layer_are_removed(tmp_path: Path) -> None:
    wrapped = {name.replace("visual.", "visual._orig_mod."): x for name, x in tensors().items()}
    write_torch(tmp_path / "x.pt", wrapped)
    assert values(open_checkpoint(tmp_path / "x.pt")) == values(open_checkpoint(FILES / "openai.pt"))


def test_several_models_in_one_file_are_refused(tmp_path: Path) -> None:
    both = {f"{prefix}{name}": x for name, x in tensors().items() for prefix in ("model.", "clip.")}
    write_torch(tmp_path / "x.pt", both)
    assert "holds several CLIPs, whose names have the prefixes 'clip.', 'model.';" in refused(
        tmp_path / "x.pt"
    )
    write_torch(tmp_path / "x.pt", tensors() | {"module.visual.proj": tensors()["visual.proj"]})
    assert "two tensors that are visual.proj without the names of wrappers" in refused(tmp_path / "x.pt")


def test_tensors_beside_the_wrapped_model_are_named(tmp_path: Path) -> None:
    wrapped = {f"model.{name}": x for name, x in tensors().items()}
    write_torch(tmp_path / "x.pt", wrapped | {"head.weight": tensors()["visual.proj"]})
    assert "only in the file: head.weight;" in refused(tmp_path / "x.pt")


@pytest.mark.parametrize("key", KEYS)
def test_the_state_dict_that_is_taken_is_said(key: str, tmp_path: Path) -> None:
    path = torch_save(tmp_path / "x.pt", {"epoch": 3, key: tensors("open_clip"), "lr": 0.1})
    result = open_checkpoint(path)
    assert result.source.endswith(f'x.pt["{key}"]')
    assert result.only("clip").parts == ("clip",)


def test_the_first_of_two_state_dicts_is_taken(tmp_path: Path) -> None:
    changed = {name: LazyArray.of(np.asarray(x) + 1) for name, x in tensors("open_clip").items()}
    path = torch_save(tmp_path / "x.pt", {"state_dict_ema": changed, "state_dict": tensors("open_clip")})
    with pytest.warns(UserWarning, match="x.pt: state_dict is read, and state_dict_ema is not; save one"):
        result = open_checkpoint(path)
    assert result.source.endswith('x.pt["state_dict"] (not state_dict_ema)')
    assert np.array_equal(
        np.asarray(result.params["clip/text/projection"]), np.asarray(tensors("open_clip")["text_projection"])
    )
    nested = {"model": {"state_dict": {f"model.{name}": x for name, x in changed.items()}}}
    assert open_checkpoint(torch_save(path, nested)).source.endswith('["model"]["state_dict"] without model.')


@pytest.mark.parametrize("file", ["openai.pt", "huggingface", "catseg.pth"])
def test_logit_scale_may_have_one_entry(file: str, tmp_path: Path) -> None:
    changed = tensors(file)
    name = next(name for name in changed if name.endswith("logit_scale"))
    changed[name] = LazyArray.of(np.asarray(changed[name]).reshape(1))
    write_torch(tmp_path / "x.pt", changed)
    result = open_checkpoint(tmp_path / "x.pt", open_checkpoint(FILES / file).clip)
    assert values(result) == values(open_checkpoint(FILES / file))


OBJECTS: dict[str, tuple[Any, str]] = {
    "namespace": (argparse.Namespace(lr=0.1, path=PurePosixPath("a/b")), "argparse.Namespace"),
    "date": (datetime.datetime(2025, 6, 1), "datetime.datetime"),
    "duration": (datetime.timedelta(3), "datetime.timedelta"),
    "path": (PurePosixPath("a/b"), "pathlib.PurePosixPath"),
    "scalar": (np.float64(0.5), "scalar"),
    "array": (np.arange(3.0), "_reconstruct"),
    "dtype": (np.dtype(np.float32), "numpy.dtype"),
    "enumeration": (signal.Signals.SIGINT, "signal.Signals"),
    "class": (argparse.Namespace, "argparse.Namespace"),
    "set": ({"a", "b"}, "set"),
    "defaultdict": (collections.defaultdict(list, a=[1]), "collections.defaultdict"),
    "queue": (collections.deque([1, 2]), "collections.deque"),
    "complex": (1j, "complex"),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_beside_the_weights_are_not_read(kind: str, tmp_path: Path) -> None:
    value, name = OBJECTS[kind]
    path = torch_save(tmp_path / "x.pt", {"args": [value], "state_dict": tensors("open_clip")})
    result = open_checkpoint(path)
    assert len(result.objects) == 1
    assert result.objects[0].endswith(name)


@pytest.mark.filterwarnings("error")
def test_code_beside_the_weights_is_not_run(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> Any:
            return Path.write_text, (tmp_path / "x.pt", "overwritten")

    path = torch_save(tmp_path / "x.pt", {"a": Attack(), "state_dict": tensors("open_clip")})
    assert len(open_checkpoint(path).objects) == 1
    assert path.read_bytes()[:2] == b"PK"


def test_objects_that_hold_tensors_are_refused(tmp_path: Path) -> None:
    weights = {**tensors("open_clip"), "visual.proj": Quantized()}
    path = torch_save(tmp_path / "x.pt", {"state_dict": weights})
    assert "asks for torch._utils._rebuild_qtensor, which is not data" in refused(path)


def test_an_object_in_place_of_the_weights_is_named(tmp_path: Path) -> None:
    path = torch_save(tmp_path / "x.pt", {"model": argparse.Namespace(weights=tensors("open_clip"))})
    message = refused(path)
    assert (
        "holds no tensors but objects of argparse.Namespace; give a file with the model's state_dict()"
        in message
    )
    path = torch_save(tmp_path / "x.pt", argparse.Namespace(weights=tensors("open_clip")))
    assert "asks for argparse.Namespace, which is not data" in refused(path)
