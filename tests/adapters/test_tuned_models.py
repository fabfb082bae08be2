"""Training, saving, resuming and merging work for every tuning method."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from hclip_jax.config.adapters import METHODS
from hclip_jax.config.schema import Config
from hclip_jax.load import open_model
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh, named_sharding, place
from hclip_jax.training import loop
from hclip_jax.training.checkpoints import TrainCheckpoints, restore
from hclip_jax.training.choose import choose_checkpoint
from hclip_jax.training.init import initial_params
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.state import TrainState, init_state, join, split
from hclip_jax.weights.checkpoint import Checkpoint, ModelSpec
from hclip_jax.weights.clip_features import clip_features, fixed_inputs
from hclip_jax.weights.export import merge_adapters
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import load_model, save_model
from tests import tolerance
from tests.small_models import micro, micro_tuned, prompts_of

PARAMS = jax.device_get(jax.jit(Model(micro().architecture).init)(jax.random.key(0)))


def start(config: Config) -> Any:
    """The micro model with initial adapters of another method."""
    adapters = jax.jit(Model(config.architecture).method.init)(jax.random.key(1), PARAMS["clip"])
    return {**PARAMS, "adapters": jax.device_get(adapters)}


def perturbed(tree: Any) -> Any:
    rng = np.random.default_rng(3)
    return jax.tree.map(lambda x: x + 0.1 * rng.standard_normal(x.shape, np.float32), tree)


def stored(config: Config, params: Any) -> Checkpoint:
    leaves = {path: LazyArray.of(np.asarray(leaf)) for path, leaf in flatten_dict(params, sep="/").items()}
    spec = ModelSpec(config.architecture, config.protocol, ("a", "b"))
    return Checkpoint("here", "a test", config.clip, spec, leaves)


def update_on(config: Config, params: Any, devices: int) -> TrainState:
    """The state after one update with a loss on the features of both towers."""
    rng, mesh, model = np.random.default_rng(0), make_mesh(devices), Model(config.architecture)
    images = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
    prompts = prompts_of([f"{word} thing" for word in "abcdefgh"])
    images, prompts = place(images, mesh, "images"), place(prompts, mesh, "prompts")
    trainable, frozen = split(place(params, mesh, "params"), config.train.trainable)
    optimizer = make_optimizer(config.train)
    state = jax.device_put(init_state(trainable, optimizer), named_sharding(mesh, "params"))

    def loss(trainable: Any, frozen: Any) -> jax.Array:
        clip = model.adapt(join(trainable, frozen))
        text = model.encode_text(clip, prompts)
        patches = model.encode_image(clip, images).patch_features.mean((1, 2))
        return jnp.mean((patches @ text[:, 0].T) ** 2)

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state: TrainState, frozen: Any) -> TrainState:
        gradient = jax.grad(loss)(state.trainable, frozen)
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimizer.update(gradient, state.opt_state, state.trainable)
        trainable: Any = optax.apply_updates(state.trainable, updates)
        return TrainState(state.step + 1, trainable, opt_state)

    after = update(state, frozen)
    # CLIP was not donated with the copies that some methods made of it.
    tolerance.assert_same(jax.device_get(frozen["clip"]), PARAMS["clip"])
    return after


@pytest.mark.parametrize(
    "method", [name if name == "hclip" else pytest.param(name, marks=pytest.mark.slow) for name in METHODS]
)
def test_one_device_or_eight_and_back_from_a_checkpoint(method: str, tmp_path: Path) -> None:
    config = micro_tuned(method=method)
    params = start(config)
    params["adapters"] = perturbed(params["adapters"])
    one, eight = (update_on(config, params, devices) for devices in (1, 8))
    # The first moment is the gradient; the step itself has its sign where it is rounding.
    tolerance.assert_close(_moment(eight), _moment(one), atol=1e-6, rtol=1e-3)
    for leaf, before in zip(
        jax.tree.leaves(one.trainable["adapters"]), jax.tree.leaves(params["adapters"]), strict=True
    ):
        assert (np.asarray(leaf) != before).any()

    with TrainCheckpoints(tmp_path, max_to_keep=1) as checkpoints:
        checkpoints.save(1, one, {"position": 3})
    mesh = make_mesh(1)
    fresh, _ = split(place(start(config), mesh, "params"), config.train.trainable)
    like = init_state(fresh, make_optimizer(config.train))
    like = jax.device_put(like, named_sharding(mesh, "params"))
    chosen = choose_checkpoint(tmp_path)
    assert chosen is not None
    fields, data = restore(tmp_path, chosen, vars(like))
    again = TrainState(**fields)
    assert data == {"position": 3}
    assert set(again.trainable) == {"adapters", "head"}
    tolerance.assert_same(jax.device_get(again), jax.device_get(one))


def _moment(state: TrainState) -> Any:
    return optax.tree.get(state.opt_state, "mu")["adapters"]


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_and_a_merged_model_have_the_same_features(method: str, tmp_path: Path) -> None:
    config = micro_tuned(method=method)
    params = start(config)
    params["adapters"] = perturbed(params["adapters"])
    save_model(tmp_path / "model", stored(config, params))
    model = load_model(tmp_path / "model")
    assert model.spec is not None
    assert model.spec.architecture.adapters == config.adapters
    assert model.parts == (("clip", "head") if method == "none" else ("clip", "adapters", "head"))
    save_model(tmp_path / "merged", merge_adapters(model, None, keep_precision=True))
    after = load_model(tmp_path / "merged")
    assert after.parts == ("clip", "head")

    images, tokens = fixed_inputs(config.clip)
    adapted = jax.jit(Model(config.architecture).adapt)(params)
    unmerged, found, plain = (
        clip_features(config.clip, clip, images, tokens)
        for clip in (adapted, after.load_params()["clip"], params["clip"])
    )
    for name in ("image", "text"):
        tolerance.assert_within(getattr(found, name), getattr(unmerged, name), 1e-5)
        moved = np.abs(getattr(found, name) - getattr(plain, name)).max()
        assert moved == 0 if method == "none" else moved > 1e-3


@pytest.mark.parametrize("method", ["full", "lora"])
def test_adapters_start_from_the_given_weights(method: str, tmp_path: Path) -> None:
    """Not from the random CLIP that the rest is initialised with."""
    save_model(tmp_path / "model", stored(micro(), perturbed(PARAMS)).only("clip", "head"))
    config = micro_tuned(method=method)
    clip = dataclasses.replace(config.clip, weights=str(tmp_path / "model"))
    model = Model(dataclasses.replace(config, clip=clip).architecture)
    params = initial_params(model, config.seed, make_mesh(1))
    tolerance.assert_same(jax.jit(model.adapt)(params), params["clip"])
    tolerance.assert_same(jax.device_get(params["clip"]), perturbed(PARAMS)["clip"])


@pytest.mark.slow
def test_a_training_without_adapters_resumes_and_is_saved(tmp_path: Path) -> None:
    config = micro_tuned(method="none")
    config = dataclasses.replace(
        config, train=dataclasses.replace(config.train, num_train_steps=2, checkpoint_every=1)
    )
    loop.train(config, tmp_path / "run", make_mesh(1))
    loop.train(config, tmp_path / "run", make_mesh(1))  # there is nothing left to do
    model = open_model(tmp_path / "run")
    assert model.parts == ("clip", "head")
    save_model(tmp_path / "model", model)
    again = load_model(tmp_path / "model")
    assert again.spec is not None
    assert again.spec.architecture.adapters == config.adapters
    tolerance.assert_same(again.load_params(), model.load_params())
