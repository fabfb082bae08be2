"""Randomly damaged files of PyTorch: the same values, or a refusal in one sentence."""

import random
import zipfile

import pytest

from tests.weights.sample_files import FILES
from tests.weights.torch_zip.hostile import outcome

NAMES = ("plain.pth", "training.pth", "scripted.pt")

# pickletools evaluates escapes in names, which causes a warning.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("file", NAMES)
def test_truncated_files(tmp_path, file):
    data = (FILES / file).read_bytes()
    path = tmp_path / "x.pt"
    for length in sorted(random.Random(0).sample(range(len(data)), 60)):
        path.write_bytes(data[:length])
        assert outcome(path) is None


@pytest.mark.parametrize("file", NAMES)
def test_flipped_bits(tmp_path, file):
    data, generator = (FILES / file).read_bytes(), random.Random(1)
    expected, path = outcome(FILES / file), tmp_path / "x.pt"
    assert expected is not None
    refused = 0
    for _ in range(170):
        changed = bytearray(data)
        for _ in range(generator.choice((1, 1, 1, 3))):
            changed[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        result = outcome(path)
        refused += result is None
        assert result in (None, expected)
    assert refused > 50


@pytest.mark.parametrize("file", NAMES)
def test_damaged_pickles_with_their_checksum(tmp_path, file):
    with zipfile.ZipFile(FILES / file) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    (name,) = (name for name in entries if name.endswith("/data.pkl"))
    data, generator = entries[name], random.Random(2)
    refused = 0
    for _ in range(170):
        changed = bytearray(data)
        for _ in range(generator.choice((1, 1, 2, 4))):
            position = generator.randrange(len(data))
            match generator.choice(("flip", "insert", "replace", "delete")):
                case "flip":
                    changed[position] ^= 1 << generator.randrange(8)
                case "insert":
                    changed[position:position] = generator.choice(
                        (b"\x85", b"0", b"(", b"R", b"b", b"q\x01", b"h\x05")
                    )
                case "replace":
                    changed[position] = generator.randrange(256)
                case "delete":
                    del changed[position : position + generator.randrange(8)]
        with zipfile.ZipFile(tmp_path / "x.pt", "w") as new:
            for entry, content in (entries | {name: bytes(changed)}).items():
                new.writestr(entry, content)
        refused += outcome(tmp_path / "x.pt") is None
    assert refused > 50
