"""Files that are not what their name says."""

import os
from pathlib import Path

import pytest

from hclip_jax.io.substitutes import substitute


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>404</html>", "web page"),
        (b"<html><body>Sign in</body></html>", "web page"),
        (b"<svg>", ""),
        (b"PK\x03\x04", ""),
    ],
)
def test_content(tmp_path, content, words):
    path = tmp_path / "ViT-B-16.pt"
    path.write_bytes(content)
    found = substitute(path)
    assert words in found
    assert bool(found) == bool(words)


def test_no_file(tmp_path):
    assert "is a folder" in substitute(tmp_path)
    assert "is a device or pipe" in substitute(Path("/dev/zero"))
    os.mkfifo(tmp_path / "pipe")
    assert "is a device or pipe" in substitute(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        substitute(tmp_path / "missing")
