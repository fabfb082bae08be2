import json
from pathlib import Path

import pytest
from PIL import Image

from hclip_jax.errors import UserError
from hclip_jax.tools import convert, geometry, merge
from tests import trained


def test_a_training_is_measured_and_painted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained.train(tmp_path / "run")
    assert geometry.main([str(run), f"--output={tmp_path / 'out'}"]) == 0
    assert "rotation, largest angle" in capsys.readouterr().out
    tree = json.loads((tmp_path / "out/geometry.json").read_text())
    assert abs(tree["energy"]["text"]["tower_relative_change"]) < 1e-5
    for name in ("energy", "turning", "relations"):
        with Image.open(tmp_path / f"out/{name}.png") as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 50
        assert f"({name}.png)" in (tmp_path / "out/geometry.md").read_text()


def test_a_model_without_adapters_is_refused(tmp_path: Path) -> None:
    run = trained.train(tmp_path / "run")
    assert convert.main([str(run), str(tmp_path / "model")]) == 0
    assert merge.main([str(tmp_path / "model"), str(tmp_path / "merged"), "--format=model"]) == 0
    for model in (tmp_path / "merged", tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"has no adapters|does not exist"):
            geometry.main([str(model)])
        assert not (model / "geometry").exists()
