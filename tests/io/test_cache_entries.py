from pathlib import Path

import pytest

from hclip_jax.io import cache
from hclip_jax.io.cache_entries import digest, read_entry, write_entry


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of the test; it does not exist yet."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_entry_is_read_as_it_was_written(folder: Path) -> None:
    assert read_entry("kind", "a") is None
    write_entry("kind", "a", b"content", 1000)
    assert read_entry("kind", "a") == b"content"
    assert read_entry("kind", "b") is None
    assert read_entry("other", "a") is None
    assert [path.parent for path in folder.rglob("*.entry")] == [folder / "kind"]


def test_a_damaged_or_exchanged_entry_is_missing(folder: Path) -> None:
    write_entry("kind", "a", b"content", 1000)
    write_entry("kind", "b", b"content", 1000)
    a, b = folder / "kind/a.entry", folder / "kind/b.entry"
    whole = a.read_bytes()
    for damaged in (
        b"",
        whole[:10],
        whole[:-1],
        whole + b"x",
        bytes([whole[0] ^ 1]) + whole[1:],
        b.read_bytes(),
    ):
        a.write_bytes(damaged)
        assert read_entry("kind", "a") is None
    write_entry("kind", "a", b"content", 1000)
    assert read_entry("kind", "a") == b"content"


def test_the_folder_is_limited(folder: Path) -> None:
    for name in "abc":
        write_entry("kind", name, bytes(100), 250)
    assert len(list((folder / "kind").iterdir())) == 2


def test_without_a_folder_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("a file where the folder should be")
    write_entry("kind", "a", b"content", 1000)
    assert read_entry("kind", "a") is None
    monkeypatch.setenv(cache.VARIABLE, "")
    write_entry("kind", "a", b"content", 1000)
    assert read_entry("kind", "a") is None


def test_a_digest_tells_values_and_their_grouping_apart() -> None:
    values = [("a", "b"), ("ab",), ("a", ("b",)), (1,), ("1",), (1.0,)]
    assert len({digest(*value) for value in values}) == len(values)
    assert digest("a", 1) == digest("a", 1)
