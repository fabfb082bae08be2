"""Every kind of model can be painted, also one that nothing was done to."""

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


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.int32)


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
def test_nothing_done_can_be_painted(fields: dict[str, Any], tmp_path: Path) -> None:
    config, clip = micro_tuned(**fields).adapters, params()["clip"]
    found = measure(config, clip, make_method(config).init(jax.random.key(0), clip))
    plot_energy(tmp_path / "energy.png", found.energy)
    assert found.turned is not None
    plot_rotations(tmp_path / "turning.png", found.turned)
    if found.relations is not None:
        plot_relations(tmp_path / "relations.png", found.relations)
    assert len(list(tmp_path.iterdir())) == (3 if config.method == "hclip" else 2)


def test_both_towers_are_painted_by_one_scale(tmp_path: Path) -> None:
    """A tower that only rounding changed is white beside one that did change; less energy is blue."""
    one = np.ones((3, 4))
    energy = {"text": EnergyChange(one, one + 1e-7), "image": EnergyChange(one, one - 0.1)}
    plot_energy(tmp_path / "a.png", energy)
    plot_energy(tmp_path / "b.png", {**energy, "image": EnergyChange(one, one + 0.1)})
    plot_energy(tmp_path / "c.png", {**energy, "image": EnergyChange(one, np.full((3, 4), np.nan))})
    less, more, none = (pixels(tmp_path / f"{name}.png") for name in "abc")
    blue, red = (
        (x[..., 2] - x[..., 0] > 60).mean() - (x[..., 0] - x[..., 2] > 60).mean() for x in (less, more)
    )
    assert blue > 0.1
    assert red < -0.1
    half = none.shape[1] * 4 // 9  # the text tower lies left of it
    assert np.abs(less[:, :half, 2] - less[:, :half, 0]).max() < 60
    assert np.abs(none[:, :half, 2] - none[:, :half, 0]).max() < 60
