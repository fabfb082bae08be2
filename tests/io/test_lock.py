from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.io.lock import locked


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    message = f"another process evaluates in {folder}; wait for its end, or give another --output"
    for _ in range(2):  # unlocked at the end; the file stays
        with locked(folder, "evaluates", "--output"):
            with pytest.raises(UserError) as error, locked(folder, "evaluates", "--output"):
                pass
            assert str(error.value) == message
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/lock cannot be written"), locked(tmp_path / "file", "", ""):
        pass
