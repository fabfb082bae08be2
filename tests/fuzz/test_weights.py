"""Damaged weight files of every format: finite weights, or a refusal in one sentence."""

import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hclip_jax.io.files import sha256_of
from hclip_jax.load import open_model
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from tests.fuzz.mutate import mutated, mutations, outcome
from tests.weights.sample_files import FILES
from tests.weights.sample_models import values

TORCH = ("openai.pt", "epoch_1.pt", "huggingface_bin/pytorch_model.bin", "catseg.pth")

# pickletools evaluates escapes in names, which causes a warning.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def read(path: Path) -> dict[str, Any]:
    """The values of a model, which must be finite."""
    model = open_model(path)
    params = model.params
    assert all(np.isfinite(np.asarray(param, np.float32)).all() for param in params.values())
    return values(model)


def check(
    path: Path, contents: Iterator[bytes], expected: Any = None, folder: Path | None = None
) -> tuple[int, int]:
    """Reads `path`, or its folder, with each content; returns how many are refused, and how many are read."""
    refused = accepted = 0
    for content in contents:
        path.write_bytes(content)
        result = outcome(lambda: read(folder or path))
        assert expected is None or result in (None, expected)
        refused += result is None
        accepted += result is not None
    return refused, accepted


def test_torch(tmp_path: Path) -> None:
    for file in TORCH:
        path, data = tmp_path / Path(file).name, (FILES / file).read_bytes()
        path.write_bytes(data)
        refused, _ = check(path, mutations([data], 100), read(path))
        assert refused > 50


def test_pickles_with_their_checksum(tmp_path: Path) -> None:
    for file in TORCH:
        refused, accepted = check(tmp_path / Path(file).name, mutated_pickles(FILES / file, 75))
        assert refused > 25
        assert refused + accepted == 75


def mutated_pickles(path: Path, count: int) -> Iterator[bytes]:
    """Copies of a PyTorch file whose pickle is damaged."""
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    (name,) = (name for name in entries if name.endswith("/data.pkl"))
    for content in mutations([entries[name]], count):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as new:
            for entry, data in (entries | {name: content}).items():
                new.writestr(entry, data)
        yield buffer.getvalue()


def test_safetensors(tmp_path: Path) -> None:
    file = FILES / "huggingface/model.safetensors"
    shutil.copy(file.parent / "config.json", tmp_path)
    (length,) = struct.unpack("<Q", file.read_bytes()[:8])
    head, rest = file.read_bytes()[: 8 + length], file.read_bytes()[8 + length :]
    headers = (content + rest for content in mutations([head], 70))
    refused, _ = check(tmp_path / "x.safetensors", headers)
    assert refused > 50
    refused, _ = check(tmp_path / "x.safetensors", mutations([file.read_bytes()], 30))
    assert refused


@pytest.mark.parametrize("file", ["hclip.pth", "openai.pt"])
def test_model_directories(file: str, tmp_path: Path) -> None:
    folder, generator = tmp_path / "model", random.Random(0)
    save_model(folder, open_checkpoint(FILES / file))
    expected, weights, card = read(folder), folder / "model.safetensors", folder / "config.json"
    data, text = weights.read_bytes(), card.read_text()
    for content in mutations([data], 15):
        weights.write_bytes(content)
        assert outcome(lambda: read(folder)) is None
        card.write_text(json.dumps(json.loads(text) | {"weights_sha256": sha256_of(weights)}))
        outcome(lambda: read(folder))
    weights.write_bytes(data)
    cards = (mutate_json(text, generator) for _ in range(45))
    refused, accepted = check(card, cards, expected, folder)
    assert refused > 15
    assert accepted or file == "openai.pt"  # another source or class name


@pytest.mark.parametrize(
    ("file", "name"), [("huggingface", "config.json"), ("open_clip", "open_clip_config.json")]
)
def test_config_json_beside_weights(file: str, name: str, tmp_path: Path) -> None:
    shutil.copytree(FILES / file, tmp_path / file)
    config, generator = tmp_path / file / name, random.Random(1)
    text = config.read_text()
    refused, accepted = check(config, (mutate_json(text, generator) for _ in range(25)), None, config.parent)
    assert refused
    assert accepted  # most fields are not used


WRONG_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 3, 7, 10**5, 10**9, 10**30, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "x", "\n\x1b[31m", "\ud800", "x" * 5000, [], [1], [1, 2], ["{}"], {}, {"a": 1}, [[[[[[]]]]]]),
)


def entries(tree: Any) -> Iterator[tuple[Any, Any]]:
    """All (container, key or index) of a JSON tree."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from entries(tree[key])


def mutate_json(text: str, generator: random.Random) -> bytes:
    """Changes bytes, or removes, renames or replaces one entry."""
    kind = generator.randrange(4)
    if kind == 0:
        return mutated(text.encode(), generator)
    tree = json.loads(text)
    container, key = generator.choice(list(entries(tree)))
    if kind == 1:
        del container[key]
    elif kind == 2 and isinstance(container, dict):
        container[generator.choice(("", "\n", "x" * 5000, f"{key}s"))] = container.pop(key)
    else:
        container[key] = generator.choice(WRONG_VALUES)
    return json.dumps(tree).encode()
