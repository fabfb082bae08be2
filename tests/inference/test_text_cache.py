import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.inference import text_cache
from hclip_jax.inference.text_cache import TextCache
from hclip_jax.io import cache

TOWER = {"projection": jnp.ones((2, 3)), "blocks": {"scale": jnp.zeros(4), "bias": jnp.ones(4)}}
PROMPTS = {"tokens": np.array([[1, 2]], np.int32), "segment_ids": np.array([0], np.int32)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of the test; it does not exist yet."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


class Encoder:
    """Counts its calls; the features hold the number of the call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.full((2, 3), self.calls, np.float32)


def test_features_are_encoded_once() -> None:
    encode = Encoder()
    first = TextCache(TOWER, "float32").get(PROMPTS, encode)
    second = TextCache(TOWER, "float32").get(PROMPTS, encode)
    np.testing.assert_array_equal(second, first)
    assert encode.calls == 1


def test_the_key_covers_weights_settings_and_prompts() -> None:
    encode = Encoder()
    TextCache(TOWER, "float32").get(PROMPTS, encode)
    TextCache(TOWER, "bfloat16").get(PROMPTS, encode)
    TextCache(TOWER | {"projection": jnp.ones((2, 3)).at[0, 0].set(2)}, "float32").get(PROMPTS, encode)
    swapped = {"scale": TOWER["blocks"]["bias"], "bias": TOWER["blocks"]["scale"]}
    TextCache(TOWER | {"blocks": swapped}, "float32").get(PROMPTS, encode)
    other = PROMPTS | {"tokens": np.array([[1, 3]], np.int32)}
    TextCache(TOWER, "float32").get(other, encode)
    assert encode.calls == 5


def test_files_that_exchanged_their_names_are_not_believed(folder: Path) -> None:
    other, encode = PROMPTS | {"tokens": np.array([[1, 3]], np.int32)}, Encoder()
    for prompts in (PROMPTS, other):
        TextCache(TOWER).get(prompts, encode)
    a, b = (folder / "text").iterdir()
    contents = a.read_bytes(), b.read_bytes()
    b.write_bytes(contents[0])
    a.write_bytes(contents[1])
    assert [TextCache(TOWER).get(prompts, encode)[0, 0] for prompts in (PROMPTS, other)] == [3, 4]


def test_features_that_are_not_finite_are_not_cached(folder: Path) -> None:
    def encode() -> np.ndarray:
        return np.full((2, 3), np.nan, np.float32)

    assert np.isnan(TextCache(TOWER).get(PROMPTS, encode)).all()
    assert not folder.exists()


def test_files_that_were_not_used_for_longest_are_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = Encoder()
    keys = [PROMPTS | {"tokens": np.array([[t]], np.int32)} for t in range(4)]
    for prompts in keys[:3]:
        TextCache(TOWER).get(prompts, encode)
    files = {path: path.stat().st_size for path in (folder / "text").iterdir()}
    for path in files:
        os.utime(path, (1, 1))
    assert TextCache(TOWER).get(keys[1], encode)[0, 0] == 2  # now used
    monkeypatch.setattr(text_cache, "MAX_BYTES", 2 * max(files.values()))
    TextCache(TOWER).get(keys[3], encode)
    assert len(list((folder / "text").iterdir())) == 2
    assert [TextCache(TOWER).get(keys[t], encode)[0, 0] for t in (1, 3)] == [2, 4]


@pytest.mark.parametrize("num_bytes", [0, 40])
def test_an_incomplete_file_is_replaced(folder: Path, num_bytes: int) -> None:
    encode = Encoder()
    TextCache(TOWER).get(PROMPTS, encode)
    (file,) = (folder / "text").iterdir()
    file.write_bytes(file.read_bytes()[:num_bytes])
    TextCache(TOWER).get(PROMPTS, encode)
    assert encode.calls == 2
    TextCache(TOWER).get(PROMPTS, encode)
    assert encode.calls == 2


def test_without_a_writable_folder_features_are_encoded(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    assert TextCache(TOWER).get(PROMPTS, Encoder())[0, 0] == 1


def test_an_empty_variable_disables_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "")
    encode = Encoder()
    for _ in range(2):
        TextCache(TOWER).get(PROMPTS, encode)
    assert encode.calls == 2
