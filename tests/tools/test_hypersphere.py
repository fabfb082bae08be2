import dataclasses
import json
from pathlib import Path

import numpy as np
from PIL import Image

from hclip_jax.load import open_model
from hclip_jax.tools import convert, hypersphere
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model
from tests import trained
from tests.tools.calling import Capture, refuse, succeed


def test_a_training_is_measured_and_plotted(tmp_path: Path, capsys: Capture) -> None:
    run = trained.train(tmp_path / "run")
    out = succeed(hypersphere.main, run, f"--output={tmp_path / 'out'}", capture=capsys)
    assert "rotation, largest angle" in out
    tree = json.loads((tmp_path / "out/hypersphere.json").read_text())
    assert abs(tree["energy"]["text"]["tower_relative_change"]) < 1e-5
    for name in ("energy", "rotation", "relations"):
        with Image.open(tmp_path / f"out/{name}.png") as image:
            colours = image.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 50
        assert f"({name}.png)" in (tmp_path / "out/hypersphere.md").read_text()
    assert not (run / "hypersphere").exists()


def test_adapters_without_clip_need_a_base(tmp_path: Path, capsys: Capture) -> None:
    run = trained.train(tmp_path / "run")
    succeed(convert.main, run, tmp_path / "whole", capture=capsys)
    succeed(convert.main, run, tmp_path / "adapters", "--adapters_only", capture=capsys)
    message = refuse(hypersphere.main, tmp_path / "adapters", capture=capsys)
    assert "holds adapters without CLIP; give the CLIP they were trained on as --base" in message
    assert not (tmp_path / "adapters/hypersphere").exists()
    succeed(hypersphere.main, tmp_path / "adapters", f"--base={tmp_path / 'whole'}", capture=capsys)
    succeed(hypersphere.main, tmp_path / "whole", capture=capsys)
    with_base, whole = (
        json.loads((tmp_path / name / "hypersphere/hypersphere.json").read_text())
        for name in ("adapters", "whole")
    )
    assert {**with_base, "model": ""} == {**whole, "model": ""}
    open_model(tmp_path / "whole")  # the new folder does not invalidate the model directory


def test_models_without_finite_adapters_are_refused(tmp_path: Path, capsys: Capture) -> None:
    run = trained.train(tmp_path / "run")
    model = open_model(run)
    save_model(tmp_path / "merged", model.only("clip", "head"))
    text = np.full(model.params["adapters/text"].shape, np.nan, np.float32)
    save_model(
        tmp_path / "failed",
        dataclasses.replace(model, params={**model.params, "adapters/text": LazyArray.of(text)}),
    )
    (tmp_path / "file.pth").write_bytes(b"")
    message = refuse(hypersphere.main, "hf:me/tiny", capture=capsys)
    assert "hf:me/tiny is on the Hub, so it cannot hold the results; give --output=DIR" in message
    for name, expected in (
        ("merged", "has no adapters (none were trained, or they were merged)"),
        ("failed", "not finite"),
        ("missing", "does not exist"),
        ("file.pth", "is a file, so it cannot hold the results; give --output=DIR"),
    ):
        message = refuse(hypersphere.main, tmp_path / name, capture=capsys)
        assert name in message
        assert expected in message
        assert not (tmp_path / name / "hypersphere").exists()
