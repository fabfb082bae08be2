from collections.abc import Iterator
from pathlib import Path

import pytest

from hclip_jax.io import code_digest as module
from hclip_jax.io.code_digest import code_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    yield tmp_path
    code_digest.cache_clear()


def fresh() -> str:
    code_digest.cache_clear()
    return code_digest()


def test_a_change_of_a_file_its_name_or_a_library_changes_the_digest(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [fresh()]
    assert fresh() == digests[0]
    (package / "a.py").write_text("x = 2\n")
    digests.append(fresh())
    (package / "a.py").rename(package / "b.py")
    digests.append(fresh())
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9")
    digests.append(fresh())
    assert len(set(digests)) == 4
