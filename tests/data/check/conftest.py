from pathlib import Path

import pytest

from tests.labelled_folder import make_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A labelled folder without issues."""
    make_folder(tmp_path / "pets")
    return tmp_path / "pets"
