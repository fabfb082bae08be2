"""JSON of any content is a value, or one sentence."""

import json
import os
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.io.json_file import MAX_BYTES, format_json, parse_json, read_json

BROKEN = {
    "cut": (b'{"a": 1', "cannot be read as JSON (Expecting ',' delimiter"),
    "nested": (b"[" * 100_000, "nested too deeply"),
    "digits": (b"9" * 5000, "Exceeds the limit"),
    "bytes": (b'"\xff"', "'utf-8' codec can't decode"),
    "surrogate": (rb'["\ud800"]', "half a surrogate pair"),
    "empty": (b"", "is empty"),
    "web page": (b"<!DOCTYPE html>", "is a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_json_is_one_sentence(name: str, tmp_path: Path) -> None:
    content, reason = BROKEN[name]
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_json(path, "copy it again")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert reason in message
    assert message.isprintable()
    assert len(message) < 300


def test_devices_pipes_folders_and_missing_files_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(UserError, match="not a file; give a file"):
            read_json(path, "")
    for path in (tmp_path / "none", tmp_path / ("x" * 300), tmp_path / "a\0b"):
        with pytest.raises(UserError, match=r"does not exist|is a link to nothing|cannot be read"):
            read_json(path, "copy it again")


def test_files_that_cannot_be_read_and_large_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
        file.write(b"[")
    with pytest.raises(UserError, match=r"has 67,108,865 bytes, too many for JSON; copy it again"):
        read_json(path, "copy it again")

    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    path.write_bytes(b"[1]")
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(UserError, match=r"x.json cannot be read \(Permission denied\); copy it again"):
        read_json(path, "copy it again")


def test_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes('\ufeff{"a": ["\\ud83d\\ude00", "ä"]}'.encode())
    assert read_json(path, "") == {"a": ["\U0001f600", "ä"]}
    assert parse_json('{"a": 1, "a": 2}', "", "", tuple) == (("a", 1), ("a", 2))


def test_what_is_formatted_can_be_written_and_read() -> None:
    value = {"name": "caf\u00e9", "path": os.fsdecode(b"c\xff.png")}
    text = format_json(value)
    assert "caf\u00e9" in text
    assert json.loads(text.encode()) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        format_json(float("nan"))
