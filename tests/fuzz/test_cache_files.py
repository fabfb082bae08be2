"""Damaged cache files: text features are the right ones every time, and broken programs are removed."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from hclip_jax.inference.text_cache import TextCache
from hclip_jax.io import cache, program_cache
from tests.fuzz.mutate import mutations

TOWER = {"projection": np.ones((2, 3), np.float32)}
PROMPTS = {"tokens": np.array([[1, 2]], np.int32)}
FEATURES = np.random.default_rng(0).standard_normal((3, 2, 8), np.float32)


def test_text_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # no power cut in this test
    text_cache, encoded = TextCache(TOWER), []

    def encode() -> np.ndarray:
        encoded.append(1)
        return FEATURES

    text_cache.get(PROMPTS, encode)
    (path,) = (tmp_path / "text").iterdir()
    whole = path.read_bytes()
    for content in mutations([whole], 1000):
        encoded.clear()
        path.write_bytes(content)
        features = text_cache.get(PROMPTS, encode)
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, FEATURES)
        assert bool(encoded) == (content != whole)
        assert path.read_bytes() == whole


def test_programs(tmp_path: Path) -> None:
    program = np.random.default_rng(0).bytes(500) * 3
    whole = zlib.compress(program)
    paths = []
    for number, content in enumerate(mutations([whole], 1000)):
        paths.append(tmp_path / f"{number}-cache")
        paths[-1].write_bytes(content)
    assert program_cache.prepare(tmp_path)
    kept = [path for path in paths if path.exists()]
    assert len(kept) < 100
    assert all(zlib.decompress(path.read_bytes()) == program for path in kept)
