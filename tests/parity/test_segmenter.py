"""The whole model: loss, gradients, probabilities and training."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from hclip_jax.config.validate import from_config_dict
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.ops import resize
from hclip_jax.sharding import make_mesh, named_sharding
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.state import init_state, split
from hclip_jax.training.step import make_loss, make_step
from hclip_jax.weights.layouts.hclip import hclip_tensors
from hclip_jax.weights.layouts.layout import write
from tests import tolerance
from tests.parity import recipe
from tests.small_models import MINI_CLASSES, channels_last, mini, mini_dict, mini_params, prompts_of

FOLDER = Path(__file__).parent
CASE = np.load(FOLDER / "segmenter.npz")
PROMPTS = prompts_of(MINI_CLASSES)


def batch() -> dict[str, jax.Array]:
    label = recipe.uniform_uint8("label.train", (2, 24, 24)) % 7
    label = label.astype(np.int32).repeat(16, 1).repeat(16, 2)
    label[:, :40] = -1
    label[0, :, 300:] = -1
    image = channels_last(recipe.uniform_uint8("image.train", (2, 3, 384, 384)))
    return {"image": jnp.asarray(image), "label": jnp.asarray(label)}


def by_published_name(trainable: Params) -> dict[str, np.ndarray]:
    """Trainable tensors under the published names, without the aliases."""
    frozen = {"clip": jax.tree.map(np.zeros_like, mini_params()["clip"])}
    tensors = [t for t in hclip_tensors(mini().architecture) if not t.parts[0].path.startswith("clip/")]
    named = write(tensors, flatten_dict({**frozen, **trainable}, sep="/"))
    return {t.name: np.asarray(named[t.name]) for t in tensors}


def test_loss_and_gradients() -> None:
    trainable, frozen = split(mini_params(), ("adapters", "head"))
    config = mini()
    loss_and_gradient = jax.jit(jax.value_and_grad(make_loss(Model(config.architecture), config.train)))
    loss, gradient = loss_and_gradient(trainable, frozen, PROMPTS, batch())
    tolerance.assert_within(loss, CASE["loss"], tolerance.LOSS_PAPER)

    named = by_published_name(gradient)
    assert set(named) == set(CASE["grad_names"])
    norms = np.array([np.linalg.norm(named[name]) for name in CASE["grad_names"]])
    # A key bias adds the same number to all logits of a softmax: its gradient is 0 up to rounding.
    np.testing.assert_allclose(norms, CASE["grad_norms"], rtol=tolerance.GRADIENT_NORM, atol=1e-8)
    shared = next(value for name, value in named.items() if name.endswith("layer_R"))
    sample = CASE["grad_R_sample"]
    scale = np.abs(sample).max()
    tolerance.assert_within(shared[::4, ::4, ::6] / scale, sample / scale, tolerance.GRADIENT_NORM)


@pytest.mark.parametrize("head_dtype", ["float32", "bfloat16"])
def test_the_bfloat16_loss_is_close(head_dtype: Any) -> None:
    config = mini()
    dtypes = dataclasses.replace(config.model, dtype="bfloat16", head_dtype=head_dtype)
    model = Model(dataclasses.replace(config.architecture, model=dtypes))
    trainable, frozen = split(mini_params(), ("adapters", "head"))
    loss = jax.jit(make_loss(model, config.train))(trainable, frozen, PROMPTS, batch())
    np.testing.assert_allclose(loss, CASE["loss"], rtol=0.01)
    assert loss != CASE["loss"]


def test_probabilities() -> None:
    model, params = Model(mini().architecture), mini_params()

    @jax.jit
    def predict(params: Params, images: jax.Array) -> jax.Array:
        clip = model.adapt(params)
        text = model.encode_text(clip, PROMPTS)
        logits = model.segment(clip, params["head"], images, text, 2)
        return resize.bilinear(jax.nn.sigmoid(logits), (384, 384), axes=(2, 3))

    probabilities = np.asarray(predict(params, batch()["image"]))
    tolerance.assert_within(probabilities[:, :, ::16, ::16], CASE["probabilities"], tolerance.PROBABILITIES)
    agreement = (probabilities.argmax(1)[:, ::4, ::4] == CASE["argmax"]).mean()
    assert agreement >= tolerance.ARGMAX


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        pytest.param("train_paper", tolerance.LOSS_PAPER, marks=pytest.mark.slow),
        pytest.param("train_hot", tolerance.LOSS_HOT, marks=pytest.mark.slow),
    ],
)
def test_training(name: str, allowed: float) -> None:
    case = np.load(FOLDER / f"{name}.npz")
    c = mini_dict()
    c.train.update(num_train_steps=len(case["losses"]), learning_rate=float(case["base_lr"]))
    config = from_config_dict(c)
    model, optimizer = Model(config.architecture), make_optimizer(config.train)
    # Copied, because the step donates its buffers.
    trainable, frozen = jax.tree.map(jnp.array, split(mini_params(), config.train.trainable))
    mesh = make_mesh(1)
    # Placed like the step's output: otherwise the second step compiles anew.
    state = jax.device_put(init_state(trainable, optimizer), named_sharding(mesh, "params"))
    step = make_step(model, optimizer, config.train, mesh)
    losses = []
    for _ in range(config.train.num_train_steps):
        state, metrics = step(state, frozen, PROMPTS, batch())
        losses.append(float(metrics["loss"]))
    np.testing.assert_allclose(losses, case["losses"], rtol=allowed)

    named = by_published_name(jax.device_get(state.trainable))
    sums = [named[n].astype(np.float64).sum() for n in case["param_names"]]
    moved = config.train.learning_rate * config.train.num_train_steps
    for tensor, got, want in zip(case["param_names"], sums, case["param_sums"], strict=True):
        # Adam changes an element by at most the learning rate a step; the rest is rounding of its sign
        # where the gradient is almost zero.
        allowed_sum = 1e-4 * abs(want) + 0.02 * moved * np.sqrt(named[tensor].size)
        assert abs(got - want) <= allowed_sum, tensor
