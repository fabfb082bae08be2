import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.load import open_model
from hclip_jax.tools import convert
from hclip_jax.tools import hypersphere as geometry
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model
from tests import trained
from tests.tools.calling import Capture, refuse, succeed


def test_a_training_is_measured_and_painted(tmp_path: Path, capsys: Capture) -> None:
    run = trained.train(tmp_path / "run")
    out = succeed(geometry.main, run, f"--output={tmp_path / 'out'}", capture=capsys)
    assert "rotation, largest angle" in out
    tree = json.loads((tmp_path / "out/geometry.json").read_text())
    assert abs(tree["energy"]["text"]["tower_relative_change"]) < 1e-5
    for name in ("energy", "turning", "relations"):
        with Image.open(tmp_path / f"out/{name}.png") as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 50
        assert f"({name}.png)" in (tmp_path / "out/geometry.md").read_text()
    assert not (run / "geometry").exists()


def test_adapters_alone_need_their_clip(tmp_path: Path, capsys: Capture) -> None:
    run = trained.train(tmp_path / "run")
    succeed(convert.main, run, tmp_path / "whole", capture=capsys)
    succeed(convert.main, run, tmp_path / "alone", "--adapters_only", capture=capsys)
    message = refuse(geometry.main, tmp_path / "alone", capture=capsys)
    assert "holds adapters without CLIP; give the CLIP they were trained on as --base" in message
    assert not (tmp_path / "alone/geometry").exists()
    succeed(geometry.main, tmp_path / "alone", f"--base={tmp_path / 'whole'}", capture=capsys)
    succeed(geometry.main, tmp_path / "whole", capture=capsys)
    found, want = (
        json.loads((tmp_path / name / "geometry/geometry.json").read_text()) for name in ("alone", "whole")
    )
    assert {**found, "model": ""} == {**want, "model": ""}
    open_model(tmp_path / "whole")  # is a model directory as before


def test_what_cannot_be_measured_is_refused(tmp_path: Path, capsys: Capture) -> None:
    run = trained.train(tmp_path / "run")
    model = open_model(run)
    save_model(tmp_path / "merged", model.only("clip", "head"))
    text = np.full(model.params["adapters/text"].shape, np.nan, np.float32)
    save_model(
        tmp_path / "failed",
        dataclasses.replace(model, params={**model.params, "adapters/text": LazyArray.of(text)}),
    )
    (tmp_path / "file.pth").write_bytes(b"")
    for name, words in (
        ("merged", "has no adapters (it never had, or they were merged)"),
        ("failed", "has adapters that are not finite"),
        ("nowhere", "does not exist"),
        ("file.pth", "is a file, which nothing can be written into; give --output=DIR"),
    ):
        message = refuse(geometry.main, tmp_path / name, capture=capsys)
        assert name in message
        assert words in message
        assert not (tmp_path / name / "geometry").exists()
