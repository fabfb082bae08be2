"""Files that PyTorch wrote, damaged at random: read as before, or refused in one sentence."""

import random
import zipfile

import pytest

from tests.weights.sample_files import FILES
from tests.weights.torch_zip.hostile import outcome

NAMES = ("plain.pth", "training.pth", "scripted.pt")

# pickletools reads escapes in names, of which Python warns.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("file", NAMES)
def test_cut_off_files(tmp_path, file):
    data = (FILES / file).read_bytes()
    path = tmp_path / "x.pt"
    for length in sorted(random.Random(0).sample(range(len(data)), 60)):
        path.write_bytes(data[:length])
        assert outcome(path) is None


@pytest.mark.parametrize("file", NAMES)
def test_flipped_bits_anywhere(tmp_path, file):
    data, generator = (FILES / file).read_bytes(), random.Random(1)
    whole, path = outcome(FILES / file), tmp_path / "x.pt"
    assert whole is not None
    refused = 0
    for _ in range(170):
        changed = bytearray(data)
        for _ in range(generator.choice((1, 1, 1, 3))):
            changed[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        result = outcome(path)
        refused += result is None
        assert result in (None, whole)
    assert refused > 50


@pytest.mark.parametrize("file", NAMES)
def test_changed_pickles_with_a_fitting_checksum(tmp_path, file):
    with zipfile.ZipFile(FILES / file) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    (name,) = (name for name in entries if name.endswith("/data.pkl"))
    data, generator = entries[name], random.Random(2)
    refused = 0
    for _ in range(170):
        changed = bytearray(data)
        for _ in range(generator.choice((1, 1, 2, 4))):
            place = generator.randrange(len(data))
            match generator.choice("fird"):
                case "f":
                    changed[place] ^= 1 << generator.randrange(8)
                case "i":
                    changed[place:place] = generator.choice(
                        (b"\x85", b"0", b"(", b"R", b"b", b"q\x01", b"h\x05")
                    )
                case "r":
                    changed[place] = generator.randrange(256)
                case "d":
                    del changed[place : place + generator.randrange(8)]
        with zipfile.ZipFile(tmp_path / "x.pt", "w") as new:
            for entry, content in (entries | {name: bytes(changed)}).items():
                new.writestr(entry, content)
        refused += outcome(tmp_path / "x.pt") is None
    assert refused > 50
