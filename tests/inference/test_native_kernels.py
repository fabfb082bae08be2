"""The whole model with native kernels: the probabilities of the plain form."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict
from hclip_jax.inference import exported
from hclip_jax.inference.exported import ExportedPrograms
from hclip_jax.inference.predictor import Predictor
from hclip_jax.io import cache
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.ops import backend
from hclip_jax.ops.native import library
from hclip_jax.sharding import make_mesh
from hclip_jax.training.init import initial_params
from tests.small_models import MINI_CLASSES, micro_dict

pytestmark = pytest.mark.skipif(library.lanes() == 0, reason="the kernels are not built, or not for this CPU")
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model_and_params() -> tuple[Config, Params]:
    """The micro model with widths that the kernels support."""
    c = micro_dict()
    c.head.update(hidden_dim=64, num_heads=2, decoder_dims=(32, 32))
    config = from_config_dict(c)
    return config, jax.device_get(initial_params(Model(config.architecture), 0, make_mesh(1)))


def probabilities(
    case: tuple[Config, Params], pooling: int = 1, devices: int = 1, **options: Any
) -> np.ndarray:
    config, params = case
    model, mesh = Model(config.architecture), make_mesh(devices)
    protocol = replace(config.protocol, kind="single", pooling=pooling)
    prompts = model.prompts(MINI_CLASSES)
    return Predictor(model, params, prompts, mesh, protocol, **options).probabilities([IMAGE], [(48, 40)])[0]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"pad": True}, id="padded"),
        pytest.param({"pooling": 2}, id="pooled", marks=pytest.mark.slow),
        pytest.param({"devices": 2}, id="devices", marks=pytest.mark.slow),
    ],
)
def test_the_probabilities_are_those_of_the_plain_form(
    model_and_params: tuple[Config, Params], options: dict[str, Any]
) -> None:
    got = probabilities(model_and_params, **options)
    with backend.use_kernels(False):
        want = probabilities(model_and_params, **options)
    assert np.ptp(want) > 0.1
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
    assert (got != want).any()  # otherwise there were no kernels


def test_exported_programs_call_the_kernels(
    model_and_params: tuple[Config, Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    written: list[bytes] = []
    write_entry = exported.write_entry
    monkeypatch.setattr(
        exported, "write_entry", lambda kind, *args: (written.append(args[1]), write_entry(kind, *args))
    )
    first = probabilities(model_and_params, programs=ExportedPrograms())
    number = len(written)
    np.testing.assert_array_equal(probabilities(model_and_params, programs=ExportedPrograms()), first)
    assert len(written) == number
    with backend.use_kernels(False):  # another key
        want = probabilities(model_and_params, programs=ExportedPrograms())
    assert len(written) > number
    np.testing.assert_allclose(first, want, rtol=0, atol=1e-5)
    assert (first != want).any()
