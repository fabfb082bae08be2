from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.inference.text_cache import TextCache
from hclip_jax.io import cache

TOWER = {"projection": jnp.ones((2, 3)), "blocks": {"scale": jnp.zeros(4), "bias": jnp.ones(4)}}
SENTENCES = {"tokens": np.array([[1, 2]], np.int32), "owner": np.array([0], np.int32)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


class Encoder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> np.ndarray:
        self.asked += 1
        return np.full((2, 3), self.asked, np.float32)


def test_features_are_encoded_once_and_for_all() -> None:
    encode = Encoder()
    first = TextCache(TOWER, "float32").get(SENTENCES, encode)
    again = TextCache(TOWER, "float32").get(SENTENCES, encode)
    np.testing.assert_array_equal(again, first)
    assert encode.asked == 1


def test_whatever_changes_them_is_told_apart() -> None:
    encode = Encoder()
    TextCache(TOWER, "float32").get(SENTENCES, encode)
    TextCache(TOWER, "bfloat16").get(SENTENCES, encode)
    TextCache(TOWER | {"projection": jnp.ones((2, 3)).at[0, 0].set(2)}, "float32").get(SENTENCES, encode)
    swapped = {"scale": TOWER["blocks"]["bias"], "bias": TOWER["blocks"]["scale"]}
    TextCache(TOWER | {"blocks": swapped}, "float32").get(SENTENCES, encode)
    other = SENTENCES | {"tokens": np.array([[1, 3]], np.int32)}
    TextCache(TOWER, "float32").get(other, encode)
    assert encode.asked == 5


def test_a_damaged_file_is_made_anew(home: Path) -> None:
    encode = Encoder()
    TextCache(TOWER).get(SENTENCES, encode)
    (file,) = (home / "text").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    TextCache(TOWER).get(SENTENCES, encode)
    assert encode.asked == 2
    TextCache(TOWER).get(SENTENCES, encode)
    assert encode.asked == 2


def test_a_folder_that_cannot_be_written_stops_nobody(home: Path) -> None:
    home.write_text("in the way")
    assert TextCache(TOWER).get(SENTENCES, Encoder())[0, 0] == 1


def test_nothing_is_kept_if_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "")
    encode = Encoder()
    for _ in range(2):
        TextCache(TOWER).get(SENTENCES, encode)
    assert encode.asked == 2
    assert cache.folder() is None


def test_the_folder_is_among_the_users_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache.folder() == Path("/caches/hclip_jax")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == Path.home() / ".cache/hclip_jax"
