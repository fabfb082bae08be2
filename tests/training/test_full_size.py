"""The real configurations by abstract evaluation: shapes only, nothing is computed."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from hclip_jax.analysis.benchmark.flops import count_flops
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_config_dict
from hclip_jax.configs import vitb, vitl
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.report import parameter_counts
from hclip_jax.training.state import init_state, split
from hclip_jax.training.step import Step, make_step
from tests.small_models import prompts_of

NUM_CLASSES = 171


def config(module: ModuleType) -> Config:
    c = module.get_config()
    c.clip.weights, c.data.root = "random", "scenes"
    return from_config_dict(c)


def step_of(c: Config, num_images: int) -> tuple[Step, tuple]:
    """A training step and the shapes of its arguments."""
    model, optimizer = Model(c.architecture), make_optimizer(c.train)
    params = jax.eval_shape(model.init, jax.random.key(0))
    trainable, frozen = split(params, c.train.trainable)
    state = jax.eval_shape(lambda t: init_state(t, optimizer), trainable)
    prompts = prompts_of([f"{i}" for i in range(NUM_CLASSES)])
    batch = {
        "image": jax.ShapeDtypeStruct((num_images, 384, 384, 3), jnp.uint8),
        "label": jax.ShapeDtypeStruct((num_images, 384, 384), jnp.int32),
    }
    return make_step(model, optimizer, c.train, make_mesh(1)), (state, frozen, prompts, batch)


@pytest.mark.parametrize("module", [vitb, vitl])
def test_training_step(module: ModuleType) -> None:
    step, (state, *rest) = step_of(config(module), 4)
    after, metrics = jax.eval_shape(step, state, *rest)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(
        lambda x: (x.shape, x.dtype), state
    )
    assert {name: value.shape for name, value in metrics.items()} == {"loss": (), "grad_norm": ()}


@pytest.mark.parametrize(
    ("policies", "at_most"),
    [
        ({"tower_remat_policy": "none", "head_remat_policy": "none"}, 1.05),
        pytest.param({}, 1.25, marks=pytest.mark.slow),
    ],
)
def test_flops_of_a_step_match_the_count_on_paper(policies: dict[str, Any], at_most: float) -> None:
    """The count of docs/performance.md; with rematerialisation the head is computed twice."""
    c = config(vitb)
    c = replace(c, model=replace(c.model, **policies))
    step, shapes = step_of(c, 1)
    assert 0.95 < count_flops(step, *shapes) / 1.461e12 < at_most


@pytest.mark.parametrize("module", [vitb, vitl])
def test_segmentation_is_four_times_the_patch_grid(module: ModuleType) -> None:
    model = Model(config(module).architecture)
    params = jax.eval_shape(model.init, jax.random.key(0))
    embed_dim = model.architecture.clip.embed_dim
    logits = jax.eval_shape(
        lambda p, images, text: model.segment(p["clip"], p["head"], images, text, 1),
        params,
        jax.ShapeDtypeStruct((2, 384, 384, 3), jnp.uint8),
        jax.ShapeDtypeStruct((847, 1, embed_dim), jnp.float32),
    )
    assert logits.shape == (2, 847, 96, 96)


def test_published_parameter_counts() -> None:
    c = config(vitb)
    rows = parameter_counts(jax.eval_shape(Model(c.architecture).init, jax.random.key(0)), c.train.trainable)
    counts = {name: (trains, frozen) for name, trains, frozen in rows}
    assert counts["adapters"] == (7_867_824, 0)
    assert counts["segmentation head"] == (4_668_641, 0)
    assert sum(trains for trains, _ in counts.values()) == 12_536_465
    assert sum(frozen for _, frozen in counts.values()) == 149_620_737
