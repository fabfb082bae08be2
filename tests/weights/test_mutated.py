"""Wrong files through `hclip convert`: finite weights, or one sentence and no target; see also tests/fuzz."""

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

from hclip_jax.tools.command_line import run
from hclip_jax.tools.convert import main
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import load_model
from hclip_jax.weights.safetensors_file import write_safetensors
from hclip_jax.weights.torch_zip.writer import write_torch
from hclip_jax.weights.weight_file import open_weights
from tests.weights.sample_files import FILES

SAFETENSORS = ("huggingface/model.safetensors", "open_clip_text/open_clip_model.safetensors")
TORCH = ("openai.pt", "epoch_1.pt", "huggingface_bin/pytorch_model.bin", "catseg.pth", "hclip.pth")

# pickletools evaluates escapes in names, which causes a warning.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Attempt = Callable[[Path], str]


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """The peak memory of the process grows by less than 200 MiB (with tracemalloc, tests take 5x longer)."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.fixture
def attempt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Attempt:
    """Converts a file; returns the error message, or "" on success, when the weights must be finite."""
    target = tmp_path / "target"

    def convert(source: Path) -> str:
        before = sorted(path for path in tmp_path.rglob("*"))
        status = run(main, [str(source), str(target)])
        out, err = capsys.readouterr()
        if status == 0:
            assert err == ""
            params = load_model(target).params
            assert all(np.isfinite(np.asarray(param, np.float32)).all() for param in params.values())
            shutil.rmtree(target)
        else:
            assert (status, out) == (2, "")
            sentence = err.removesuffix("\n")
            assert sentence.startswith("error: ")
            assert sentence.count(str(tmp_path)) == 1
            assert sentence.isprintable(), sentence
            assert len(sentence) < 700, sentence
        assert sorted(tmp_path.rglob("*")) == before
        return err

    return convert


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def copy_config(file: str, folder: Path) -> Path:
    """Copies the config.json beside a file to a folder; returns the path for a damaged copy of the file."""
    source = FILES / file
    for config in source.parent.glob("*config.json"):
        shutil.copy(config, folder)
    return folder / source.name


@pytest.mark.parametrize("file", SAFETENSORS + TORCH)
def test_undamaged_files_convert(file: str, folder: Path, attempt: Attempt) -> None:
    path = copy_config(file, folder)
    path.write_bytes((FILES / file).read_bytes())
    assert attempt(path) == ""


@pytest.mark.parametrize("file", SAFETENSORS + TORCH)
def test_truncated_files(file: str, folder: Path, attempt: Attempt) -> None:
    path, data = copy_config(file, folder), (FILES / file).read_bytes()
    for length in (0, 1, 7, 8, 9, *random.Random(0).sample(range(len(data)), 6), len(data) - 1):
        path.write_bytes(data[:length])
        assert attempt(path)


@pytest.mark.parametrize("file", SAFETENSORS)
def test_wrong_lengths_of_safetensors_headers(file: str, folder: Path, attempt: Attempt) -> None:
    path, data = copy_config(file, folder), (FILES / file).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    for claimed in (0, 1, length - 1, length + 1, len(data), len(data) + 1, 2**31, 2**40, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", claimed) + data[8:])
        assert attempt(path)


def rewrite_header(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Changes the JSON header of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


@pytest.mark.parametrize("field", ["dtype", "shape", "data_offsets"])
def test_wrong_values_in_safetensors_headers(field: str, folder: Path, attempt: Attempt) -> None:
    wrong: dict[str, tuple[Any, ...]] = {
        "dtype": ("F16", "F64", "BF16", "I64", "I32", "F8_E5M2", "float32", "", None, 3),
        "shape": ([], [0], [-1], [2**62, 4], [2**31, 2**31], [1] * 70, [[1]], "8", None, [1.5]),
        "data_offsets": ([0, 0], [4, 0], [-8, 0], [0, 2**40], [2**63, 2**63], [0], [], None, "0", [0, 1, 2]),
    }
    file = SAFETENSORS[0]
    path, data, generator = copy_config(file, folder), (FILES / file).read_bytes(), random.Random(3)
    for value in wrong[field]:

        def change(header: dict[str, Any], value: Any = value) -> None:
            header[generator.choice([name for name in header if name != "__metadata__"])][field] = value

        path.write_bytes(rewrite_header(data, change))
        assert attempt(path)


def read_tensors(file: str) -> dict[str, Any]:
    """Tensors by name; all names of a shared tensor have one object."""
    return dict(open_weights(FILES / file).tensors)


def mutate(tensors: dict[str, Any], kind: str, generator: random.Random) -> None:
    """Changes one tensor that is a parameter and has one name."""
    count = Counter(map(id, tensors.values()))
    names = [n for n, t in tensors.items() if count[id(t)] == 1 and t.dtype.kind != "i" and "mask" not in n]
    name = generator.choice(names)
    value = np.array(tensors[name])
    match kind:
        case "removed":
            del tensors[name]
        case "renamed":
            new_name = generator.choice((f"{name}s", name[1:], name.upper(), "é", name + ".0"))
            tensors[new_name] = tensors.pop(name)
        case "added":
            tensors[generator.choice((f"x{name}", f"{name}.position_ids.x", "ab.cd"))] = LazyArray.of(value)
        case "longer":
            tensors[name] = LazyArray.of(np.concatenate([np.atleast_1d(value)] * 2))
        case "flat":
            tensors[name] = LazyArray.of(value.reshape(-1, 1, 1))
        case "empty":
            tensors[name] = LazyArray.of(value.reshape(-1)[:0])
        case "nan" | "inf":
            value.reshape(-1)[generator.randrange(value.size)] = float(kind)
            tensors[name] = LazyArray.of(value)
        case "integers":
            tensors[name] = LazyArray.of(
                value.astype(generator.choice((np.int64, np.int8, np.bool_, np.uint8)))
            )


KINDS = ("removed", "renamed", "added", "longer", "flat", "empty", "nan", "inf", "integers")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["openai.pt", "huggingface/model.safetensors", "catseg.pth", "hclip.pth"])
def test_one_wrong_tensor(kind: str, file: str, folder: Path, attempt: Attempt) -> None:
    generator = random.Random(f"{kind} {file}")
    path = copy_config(file, folder)
    for _ in range(3):
        tensors = read_tensors(file)
        mutate(tensors, kind, generator)
        if generator.random() < 0.5:
            write_torch(path, tensors)
        else:
            write_safetensors(path, tensors, {})
        assert attempt(path), kind
        path.unlink()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_any_float_dtype_converts(dtype: Any, folder: Path, attempt: Attempt) -> None:
    for file in ("openai.pt", "hclip.pth"):
        tensors = {name: LazyArray.of(np.asarray(t).astype(dtype)) for name, t in read_tensors(file).items()}
        write_torch(folder / "x.pt", tensors)
        assert attempt(folder / "x.pt") == ""
        write_safetensors(folder / "x.safetensors", tensors, {})
        assert attempt(folder / "x.safetensors") == ""


def test_copies_of_a_shared_tensor_must_agree(folder: Path, attempt: Attempt) -> None:
    generator = random.Random(4)
    shared = [name for name in read_tensors("hclip.pth") if "attn_q_proj_oft_" in name]
    for _ in range(8):
        tensors = read_tensors("hclip.pth")
        name = generator.choice(shared)
        tensors[name] = LazyArray.of(np.array(tensors[name]))
        write_torch(folder / "same.pt", tensors)
        assert attempt(folder / "same.pt") == ""
        value = np.array(tensors[name])
        value.reshape(-1)[generator.randrange(value.size)] += 1
        tensors[name] = LazyArray.of(value)
        write_torch(folder / "other.pt", tensors)
        assert "hold different values" in attempt(folder / "other.pt")
