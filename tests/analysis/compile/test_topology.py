import importlib.util

import pytest

from hclip_jax.analysis.compile.topology import parse_topology, prepare_environment
from hclip_jax.errors import UserError


@pytest.mark.parametrize(
    ("name", "chips", "layout"),
    [
        ("v5e-8", 8, "v5e:2x4"),
        ("v5e-256", 256, "v5e:16x16"),
        ("v5litepod-64", 64, "v5e:8x8"),
        ("V6e-8", 8, "v6e:2x4"),
        ("v4-64", 32, "v4:2x4x4"),  # named by its TensorCores, two a chip
        ("v5p-8", 4, "v5p:2x2x1"),
    ],
)
def test_a_slice_by_its_name(name: str, chips: int, layout: str) -> None:
    topology = parse_topology(name)
    assert (topology.chips, topology.layout) == (chips, layout)
    assert 15e9 < topology.memory < 105e9


def test_one_chip_is_a_host() -> None:
    assert parse_topology("v6e-1").options == {"chips_per_host_bounds": (1, 1, 1)}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v5e", "--topology=v5e is no TPU slice; give one of v4, v5e, v5p, v6e and a size, such as v5e-8"),
        ("v9-8", "is no TPU slice"),
        ("h100-8", "is no TPU slice"),
        ("v5e-12", "--topology=v5e-12 does not exist; the sizes of v5e are 1, 4, 8, 16, 32, 64, 128, 256"),
        ("v4-9", "the sizes of v4 are 8, 16, 32"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_topology(name)


def test_without_libtpu_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"not installed; run pip install 'hclip_jax\[compile\]'"):
        prepare_environment()
