"""Every kind of model can be plotted, also one that is not tuned yet."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from hclip_jax.adapters.methods import make_method
from hclip_jax.analysis.hypersphere.energy import EnergyChange
from hclip_jax.analysis.hypersphere.measure import measure
from hclip_jax.analysis.hypersphere.plots import plot_energy, plot_relations, plot_rotations
from tests.small_models import micro_tuned
from tests.trained import params


def read_pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.int32)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"relation": "mlp"},
        {"towers": ("image",), "layers": (2,), "targets": ("value",)},
        {"method": "oft", "targets": ("query", "out")},
    ],
    ids=lambda fields: "-".join(fields) or "published",
)
def test_initial_adapters_can_be_plotted(fields: dict[str, Any], tmp_path: Path) -> None:
    config, clip = micro_tuned(**fields).adapters, params()["clip"]
    measures = measure(config, clip, make_method(config).init(jax.random.key(0), clip))
    plot_energy(tmp_path / "energy.png", measures.energy)
    assert measures.rotations is not None
    plot_rotations(tmp_path / "rotation.png", measures.rotations)
    if measures.relations is not None:
        plot_relations(tmp_path / "relations.png", measures.relations)
    assert len(list(tmp_path.iterdir())) == (3 if config.method == "hclip" else 2)


def test_both_towers_share_one_colour_scale(tmp_path: Path) -> None:
    """A tower with rounding errors only is white beside one that changed; lower energy is blue."""
    one = np.ones((3, 4))
    energy = {"text": EnergyChange(one, one + 1e-7), "image": EnergyChange(one, one - 0.1)}
    plot_energy(tmp_path / "lower.png", energy)
    plot_energy(tmp_path / "higher.png", {**energy, "image": EnergyChange(one, one + 0.1)})
    plot_energy(tmp_path / "nan.png", {**energy, "image": EnergyChange(one, np.full((3, 4), np.nan))})
    lower, higher, nan = (read_pixels(tmp_path / f"{name}.png") for name in ("lower", "higher", "nan"))
    blue, red = (
        (x[..., 2] - x[..., 0] > 60).mean() - (x[..., 0] - x[..., 2] > 60).mean() for x in (lower, higher)
    )
    assert blue > 0.1
    assert red < -0.1
    left = nan.shape[1] * 4 // 9  # the text tower is left of it
    assert np.abs(lower[:, :left, 2] - lower[:, :left, 0]).max() < 60
    assert np.abs(nan[:, :left, 2] - nan[:, :left, 0]).max() < 60


def test_plots_do_not_use_pyplot() -> None:
    """Pyplot would select a backend for the whole process."""
    code = (
        "import sys, hclip_jax.analysis.ablation.plot, hclip_jax.analysis.hypersphere.plots; "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
