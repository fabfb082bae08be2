import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hclip_jax.data.loader import train_batches
from hclip_jax.data.scenes.source import ScenesSource
from hclip_jax.models.hclip import Model
from hclip_jax.sharding import make_mesh, named_sharding, place
from hclip_jax.training.init import initial_params
from hclip_jax.training.losses import pixel_weights, segmentation_loss
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.state import init_state, join, split
from hclip_jax.training.step import make_loss, make_step, place_prompts, text_energy
from tests import tolerance
from tests.small_models import micro, prompts_of

SOURCE = ScenesSource("train", "shapes")
PROMPTS = prompts_of(SOURCE.class_names)
CONFIG = micro()
MODEL = Model(CONFIG.architecture)


@pytest.fixture(scope="module")
def batches() -> list[dict[str, np.ndarray]]:
    stream = train_batches(SOURCE, batch_size=8, crop_size=CONFIG.data.crop_size, seed=0, num_workers=0)
    try:
        return [next(stream) for _ in range(4)]
    finally:
        stream.close()


@pytest.fixture(scope="module")
def params() -> dict:
    return jax.device_get(jax.jit(MODEL.init)(jax.random.key(0)))


def run(params: dict, batches: list, devices: int, shape: str = "", **train: Any) -> tuple[list[float], dict]:
    """Losses of a few steps and the parameters after them."""
    config = micro(**train)
    mesh = make_mesh(devices, shape=shape)
    prompts = place_prompts(PROMPTS, mesh)
    optimizer = make_optimizer(config.train)
    trainable, frozen = split(place(params, mesh, "params"), config.train.trainable)
    # Placed like the step's output: otherwise the second step compiles anew.
    state = jax.device_put(init_state(trainable, optimizer), named_sharding(mesh, "params"))
    step = make_step(MODEL, optimizer, config.train, mesh)
    losses = []
    for batch in batches:
        state, metrics = step(state, frozen, prompts, place(batch, mesh, "images"))
        losses.append(float(metrics["loss"]))
    assert int(state.step) == len(batches)
    return losses, jax.device_get(join(state.trainable, frozen))


@pytest.fixture(scope="module")
def on_one_device(params: dict, batches: list) -> tuple[list[float], dict]:
    losses, after = run(params, batches, 1)
    assert losses[0] != losses[-1]
    return losses, after


@pytest.mark.parametrize(
    "shape", ["8x1", "2x4", *(pytest.param(shape, marks=pytest.mark.slow) for shape in ("4x2", "1x8"))]
)
def test_every_mesh_has_the_same_losses(params, batches, on_one_device, shape: str) -> None:
    losses, after = run(params, batches, 8, shape)
    np.testing.assert_allclose(losses, on_one_device[0], atol=1e-6)
    tolerance.assert_close(after["head"], on_one_device[1]["head"], atol=1e-4)


@pytest.mark.parametrize(
    ("devices", "unlabeled"), [pytest.param(1, "negative", marks=pytest.mark.slow), (4, "ignore")]
)
def test_more_classes_than_max_classes_and_microbatches(
    params: dict, batches: list, devices: int, unlabeled: str
) -> None:
    """The sharded step against the plain loss, with logits of -100 for classes that were not selected."""
    a = dataclasses.replace(CONFIG.architecture, head=dataclasses.replace(CONFIG.head, max_classes=5))
    model, train = Model(a), micro(unlabeled=unlabeled, microbatch=2).train
    mesh, batch = make_mesh(devices, batch_size=2), jax.tree.map(lambda x: x[:4], batches[0])

    def plain_loss(trainable: dict, frozen: dict) -> jax.Array:
        whole = join(trainable, frozen)
        clip, labels = model.adapt(whole), jnp.asarray(batch["label"])
        text = model.encode_text(clip, PROMPTS)
        logits = model.segment(clip, whole["head"], batch["image"], text, train.pooling)
        return segmentation_loss(logits, labels, pixel_weights(labels, len(text), unlabeled))

    trainable, frozen = split(place(params, mesh, "params"), train.trainable)
    loss, gradient = jax.jit(jax.value_and_grad(plain_loss))(trainable, frozen)
    state = jax.device_put(init_state(trainable, make_optimizer(train)), named_sharding(mesh, "params"))
    step = make_step(model, make_optimizer(train), train, mesh)
    _, metrics = step(state, frozen, place_prompts(PROMPTS, mesh), place(batch, mesh, "images"))
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(gradient), rtol=1e-4)


def test_a_step_compiles_once(batches: list) -> None:
    """The returned state has the types of the given one, weak types included: one compilation serves all."""
    config = micro(trainable=("clip", "adapters", "head"))
    mesh = make_mesh(1)
    optimizer = make_optimizer(config.train)
    trainable, frozen = split(initial_params(MODEL, config.seed, mesh), config.train.trainable)
    before = init_state(trainable, optimizer)
    step = make_step(MODEL, optimizer, config.train, mesh)
    after, _ = jax.eval_shape(step, before, frozen, PROMPTS, batches[0])
    kinds = [jax.tree.map(jax.typeof, jax.eval_shape(lambda s: s, state)) for state in (before, after)]
    assert kinds[0] == kinds[1]


def test_frozen_parts_stay_and_trainable_parts_change(params: dict, on_one_device) -> None:
    losses, after = on_one_device
    tolerance.assert_same(after["clip"], params["clip"])
    for part in ("adapters", "head"):
        for path, leaf in jax.tree.leaves_with_path(after[part]):
            before = params[part]
            for key in path:
                before = before[key.key]
            assert (leaf != before).any(), (part, path)
    assert losses[-1] < losses[0]


def test_gradients_reach_every_trainable_leaf(params: dict, batches: list) -> None:
    gradient = jax.jit(jax.grad(make_loss(MODEL, CONFIG.train)))(params, {}, PROMPTS, batches[0])
    without_gradient = set()
    for path, leaf in jax.tree.leaves_with_path(gradient):
        name = "/".join(key.key for key in path)
        if not np.abs(leaf).max() > 0:
            without_gradient.add(name)
    # Segmentation does not use CLIP's temperature.
    assert without_gradient == {"clip/logit_scale"}


@pytest.mark.slow  # tests/training/test_loop.py::test_the_log has it of four steps
def test_training_keeps_the_text_energy(params: dict, batches: list) -> None:
    _, after = run(params, batches, 1, lr_multipliers={"clip": 1.0, "adapters": 1.0, "head": 1.0})
    moved = np.abs(after["adapters"]["text"] - params["adapters"]["text"]).max()
    assert moved > 1e-3
    energy = jax.jit(lambda p: text_energy(MODEL, p))(after)
    np.testing.assert_allclose(energy, 1, atol=1e-5)


@pytest.mark.slow
def test_clip_may_train_too(params: dict, batches: list) -> None:
    _, after = run(params, batches[:1], 1, trainable=("clip", "adapters", "head"))
    kernels = ("image", "blocks", "fc1", "kernel")
    before, moved = params["clip"], after["clip"]
    for key in kernels:
        before, moved = before[key], moved[key]
    assert (before != moved).any()


def test_without_adapters_training_the_step_has_no_gradient_of_them(params: dict) -> None:
    trainable, _ = split(params, ("head",))
    state = init_state(trainable, make_optimizer(micro(trainable=("head",)).train))
    sizes = [leaf.size for leaf in jax.tree.leaves((state.trainable, state.opt_state))]
    head = sum(leaf.size for leaf in jax.tree.leaves(params["head"]))
    assert sum(sizes) <= 3 * head + 4
