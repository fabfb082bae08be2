"""hclip report."""

from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.tools.report import main


def test_the_page_is_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'} is written\n"
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a work directory"):
        main([str(tmp_path)])
    assert not list(tmp_path.iterdir())
