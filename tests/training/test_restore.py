"""What a restored training has, without drawing initial parameters."""

import jax
import pytest

from hclip_jax.config.adapters import METHODS
from hclip_jax.config.overrides import read_config
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import make_mesh
from hclip_jax.training import init
from hclip_jax.training.restore import _shapes
from tests.small_models import micro_tuned


@pytest.mark.parametrize("method", METHODS)
def test_shapes_are_those_of_initial_parameters(method: str) -> None:
    model = Model(micro_tuned(method=method).architecture)
    expected = jax.eval_shape(model.init, jax.random.key(0))
    assert _shapes(model, ("adapters", "head")) == {part: expected[part] for part in ("adapters", "head")}


def test_clip_alone_is_read_and_nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*args: object) -> Params:
        raise AssertionError("drawn")

    monkeypatch.setattr(init, "_compile_init", drawn)
    config = read_config("tiny")
    params = init.initial_params(Model(config.architecture), 0, make_mesh(1), parts={"clip"})
    assert set(params) == {"clip"}
