"""The name table of the published H-CLIP."""

import math

import numpy as np
import pytest

from hclip_jax.config.adapters import HClipConfig
from hclip_jax.config.schema import Config
from hclip_jax.configs import vitb, vitl
from hclip_jax.weights.checkpoint import PARTS, param_shapes
from hclip_jax.weights.layouts import layout
from hclip_jax.weights.layouts.hclip import adapter_tensors, hclip_tensors, is_buffer
from tests import tolerance
from tests.small_models import micro, mini
from tests.weights.published_shapes import full_size, hclip_vitb


def test_names_and_shapes_are_those_of_the_published_state_dict() -> None:
    parameters, buffers = hclip_vitb()
    tensors = list(hclip_tensors(full_size(vitb).architecture))
    by_name = {name: list(t.shape) for t in tensors for name in (t.name, *t.aliases)}
    assert by_name == parameters
    assert all(is_buffer(name) for name in buffers)
    assert not any(is_buffer(name) for name in by_name)


@pytest.mark.parametrize("config", [full_size(vitb), full_size(vitl), mini(), micro()])
def test_table_covers_every_element_of_our_parameters_once(config: Config) -> None:
    shapes = param_shapes(config.clip, config.architecture, frozenset(PARTS))
    parts = [part for tensor in hclip_tensors(config.architecture) for part in tensor.parts]
    assert {part.path for part in parts} == set(shapes)
    # A region of a parameter is all of it, or a layer (and target) of it: different regions do not overlap.
    regions = [(part.path, part.target_index) for part in parts]
    assert len(set(regions)) == len(regions)
    for path, shape in shapes.items():
        indices = [index for name, index in regions if name == path]
        assert len(indices) == math.prod(shape[: len(indices[0])])
    # Only tensors of the head are split into several parameters by `source_index` alone.
    split = [part for part in parts if part.source_index and not part.target_index]
    assert all(part.path.startswith("head/") for part in split)


def test_towers_of_unequal_depth() -> None:
    config = micro()  # 2 text layers, 3 image layers
    assert isinstance(config.adapters, HClipConfig)
    tensors = list(adapter_tensors(config.clip, config.adapters.block_size))
    rng = np.random.default_rng(0)
    shapes = param_shapes(config.clip, config.architecture, frozenset({"adapters"}))
    params = {path: rng.standard_normal(shape, np.float32) for path, shape in shapes.items()}
    file = layout.write(tensors, params)
    blocks = np.asarray(file[tensors[0].name])
    assert blocks.shape == (8, 8, 12, 4)
    assert (blocks[:, :, 8:, :2] == 0).all()  # there is no third text layer
    params_again = {path: np.asarray(x) for path, x in layout.read(tensors, file, shapes, "file").items()}
    tolerance.assert_same(params_again, params)
