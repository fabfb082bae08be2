"""Hundreds of damaged files through the converter: finite weights, or one sentence and no target."""

import json
import random
import resource
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hclip_jax.io.command_line import run
from hclip_jax.tools.convert import main
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import load_model, save_model
from hclip_jax.weights.open_checkpoint import open_checkpoint
from hclip_jax.weights.safetensors_file import write_safetensors
from hclip_jax.weights.torch_zip.writer import write_torch
from hclip_jax.weights.weight_file import open_weights
from tests.weights.sample_files import FILES

SAFETENSORS = ("huggingface/model.safetensors", "open_clip_text/open_clip_model.safetensors")
TORCH = ("openai.pt", "epoch_1.pt", "huggingface_bin/pytorch_model.bin", "catseg.pth", "hclip.pth")

# pickletools reads escapes in names, of which Python warns.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Attempt = Callable[[Path], str]


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """The most that the process ever took hardly grows (tracing each conversion takes five times as long)."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.fixture
def attempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Attempt:
    """Converts and returns the error, or nothing if weights came out, which must be finite."""
    target = tmp_path / "target"

    def convert(source: Path) -> str:
        before = sorted(path for path in tmp_path.rglob("*"))
        status = run(main, [str(source), str(target)])
        out, err = capsys.readouterr()
        if status == 0:
            assert err == ""
            leaves = load_model(target).params
            assert all(np.isfinite(np.asarray(leaf, np.float32)).all() for leaf in leaves.values())
            shutil.rmtree(target)
        else:
            assert (status, out) == (2, "")
            first, *more = err.removesuffix("\n").split("\n")
            assert first.startswith("error: ")
            assert str(tmp_path) in first
            assert all(line.startswith("  ") for line in more)
            for line in (first, *more):
                assert line.isprintable(), line
                assert len(line) < 700, line
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return convert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def beside(file: str, folder: Path) -> Path:
    """Where to put a damaged copy of a file, with the settings that lie beside it."""
    source = FILES / file
    for settings in source.parent.glob("*config.json"):
        shutil.copy(settings, folder)
    return folder / source.name


def flipped(data: bytes, generator: random.Random, start: int = 0, end: int | None = None) -> bytes:
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 8))):
        changed[generator.randrange(start, end or len(data))] ^= 1 << generator.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("file", SAFETENSORS + TORCH)
def test_untouched_files_convert(file: str, folder: Path, attempt: Attempt) -> None:
    path = beside(file, folder)
    path.write_bytes((FILES / file).read_bytes())
    assert attempt(path) == ""


@pytest.mark.parametrize("file", SAFETENSORS + TORCH)
def test_cut_off_files(file: str, folder: Path, attempt: Attempt) -> None:
    path, data = beside(file, folder), (FILES / file).read_bytes()
    for length in (0, 1, 7, 8, 9, *random.Random(0).sample(range(len(data)), 6), len(data) - 1):
        path.write_bytes(data[:length])
        assert attempt(path)


@pytest.mark.parametrize("file", SAFETENSORS + TORCH)
def test_bits_flipped_anywhere(file: str, folder: Path, attempt: Attempt) -> None:
    path, data, generator = beside(file, folder), (FILES / file).read_bytes(), random.Random(1)
    seen = Counter()
    for _ in range(12):
        path.write_bytes(flipped(data, generator))
        seen[bool(attempt(path))] += 1
    # A zip file has checksums, a safetensors file has none.
    assert seen[file not in SAFETENSORS]


@pytest.mark.parametrize("file", SAFETENSORS)
def test_headers_of_safetensors(file: str, folder: Path, attempt: Attempt) -> None:
    path, data, generator = beside(file, folder), (FILES / file).read_bytes(), random.Random(2)
    (length,) = struct.unpack("<Q", data[:8])
    for claimed in (0, 1, length - 1, length + 1, len(data), len(data) + 1, 2**31, 2**40, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", claimed) + data[8:])
        assert attempt(path)
    refused = 0
    for _ in range(20):
        path.write_bytes(flipped(data, generator, 8, 8 + length))
        refused += bool(attempt(path))
    assert refused > 10


def with_header(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


@pytest.mark.parametrize("field", ["dtype", "shape", "data_offsets"])
def test_lies_in_headers_of_safetensors(field: str, folder: Path, attempt: Attempt) -> None:
    lies: dict[str, tuple[Any, ...]] = {
        "dtype": ("F16", "F64", "BF16", "I64", "I32", "F8_E5M2", "float32", "", None, 3),
        "shape": ([], [0], [-1], [2**62, 4], [2**31, 2**31], [1] * 70, [[1]], "8", None, [1.5]),
        "data_offsets": ([0, 0], [4, 0], [-8, 0], [0, 2**40], [2**63, 2**63], [0], [], None, "0", [0, 1, 2]),
    }
    file = SAFETENSORS[0]
    path, data, generator = beside(file, folder), (FILES / file).read_bytes(), random.Random(3)
    for lie in lies[field]:

        def change(header: dict[str, Any], lie: Any = lie) -> None:
            header[generator.choice([name for name in header if name != "__metadata__"])][field] = lie

        path.write_bytes(with_header(data, change))
        assert attempt(path)


def tensors(file: str) -> dict[str, Any]:
    """Tensors by name; aliases are one object."""
    return dict(open_weights(FILES / file).tensors)


def mutate(found: dict[str, Any], kind: str, generator: random.Random) -> None:
    """Changes one tensor that counts."""
    # Names of one tensor follow each other or lie apart; only those that stand alone are taken.
    times = Counter(map(id, found.values()))
    names = [n for n, t in found.items() if times[id(t)] == 1 and t.dtype.kind != "i" and "mask" not in n]
    name = generator.choice(names)
    value = np.array(found[name])
    match kind:
        case "removed":
            del found[name]
        case "renamed":
            found[generator.choice((f"{name}s", name[1:], name.upper(), "é", name + ".0"))] = found.pop(name)
        case "added":
            found[generator.choice((f"x{name}", f"{name}.position_ids.x", "ab.cd"))] = LazyArray.of(value)
        case "longer":
            found[name] = LazyArray.of(np.concatenate([np.atleast_1d(value)] * 2))
        case "flat":
            found[name] = LazyArray.of(value.reshape(-1, 1, 1))
        case "empty":
            found[name] = LazyArray.of(value.reshape(-1)[:0])
        case "nan" | "inf":
            value.reshape(-1)[generator.randrange(value.size)] = float(kind)
            found[name] = LazyArray.of(value)
        case "integers":
            found[name] = LazyArray.of(
                value.astype(generator.choice((np.int64, np.int8, np.bool_, np.uint8)))
            )


KINDS = ("removed", "renamed", "added", "longer", "flat", "empty", "nan", "inf", "integers")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["openai.pt", "huggingface/model.safetensors", "catseg.pth", "hclip.pth"])
def test_one_tensor_is_not_as_it_should_be(kind: str, file: str, folder: Path, attempt: Attempt) -> None:
    generator = random.Random(f"{kind} {file}")
    path = beside(file, folder)
    for _ in range(3):
        found = tensors(file)
        mutate(found, kind, generator)
        if generator.random() < 0.5:
            write_torch(path, found)
        else:
            write_safetensors(path, found, {})
        assert attempt(path), kind
        path.unlink()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_any_float_dtype_converts(dtype: Any, folder: Path, attempt: Attempt) -> None:
    for file in ("openai.pt", "hclip.pth"):
        found = {name: LazyArray.of(np.asarray(t).astype(dtype)) for name, t in tensors(file).items()}
        write_torch(folder / "x.pt", found)
        assert attempt(folder / "x.pt") == ""
        write_safetensors(folder / "x.safetensors", found, {})
        assert attempt(folder / "x.safetensors") == ""


def test_names_of_one_tensor_that_disagree(folder: Path, attempt: Attempt) -> None:
    """Each copy of the adapters may be one of its own, but must hold the same values."""
    generator = random.Random(4)
    shared = [name for name in tensors("hclip.pth") if "attn_q_proj_oft_" in name]
    for _ in range(8):
        found = tensors("hclip.pth")
        name = generator.choice(shared)
        found[name] = LazyArray.of(np.array(found[name]))
        write_torch(folder / "same.pt", found)
        assert attempt(folder / "same.pt") == ""
        value = np.array(found[name])
        value.reshape(-1)[generator.randrange(value.size)] += 1
        found[name] = LazyArray.of(value)
        write_torch(folder / "other.pt", found)
        assert "hold different values" in attempt(folder / "other.pt")


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 3, 7, 10**5, 10**9, 10**30, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "x", "\n\x1b[31m", "\ud800", "x" * 5000, [], [1], [1, 2], ["{}"], {}, {"a": 1}, [[[[[[]]]]]]),
)


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a JSON tree with every key or index of it."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from places(tree[key])


def mutated_json(text: str, generator: random.Random) -> bytes:
    match generator.randrange(6):
        case 0:
            return flipped(text.encode(), generator)
        case 1:
            return text.encode()[: generator.randrange(len(text))]
        case kind:
            tree = json.loads(text)
            container, key = generator.choice(list(places(tree)))
            if kind == 2:
                del container[key]
            elif kind == 3 and isinstance(container, dict):
                container[generator.choice(("", "\n", "x" * 5000, f"{key}s"))] = container.pop(key)
            else:
                container[key] = generator.choice(HOSTILE)
            return json.dumps(tree).encode()


@pytest.mark.parametrize("file", ["openai.pt", "hclip.pth"])
def test_cards_of_model_directories(file: str, folder: Path, attempt: Attempt) -> None:
    source = folder / "model"
    save_model(source, open_checkpoint(FILES / file))
    card, generator = (source / "config.json").read_text(), random.Random(5)
    seen = Counter()
    for _ in range(70):
        (source / "config.json").write_bytes(mutated_json(card, generator))
        seen[bool(attempt(source))] += 1
    assert seen[True] > 35
    assert seen[False]  # such as in another source or class name


@pytest.mark.parametrize("file", ["huggingface/model.safetensors", "open_clip/open_clip_model.safetensors"])
def test_settings_beside_weights(file: str, folder: Path, attempt: Attempt) -> None:
    path = beside(file, folder)
    path.write_bytes((FILES / file).read_bytes())
    (settings,) = folder.glob("*.json")
    text, generator = settings.read_text(), random.Random(6)
    seen = Counter()
    for _ in range(50):
        settings.write_bytes(mutated_json(text, generator))
        seen[bool(attempt(path))] += 1
    assert seen[True]
    assert seen[False]  # most settings are not looked at
