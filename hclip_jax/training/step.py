"""One update: loss and gradient of what trains, compiled once for a mesh."""

from collections.abc import Callable
from typing import cast

import jax
import optax
from jax import Array
from jax.sharding import Mesh

from hclip_jax.adapters.energy import relative_energy
from hclip_jax.config.schema import Config
from hclip_jax.models.hclip import Model, Params
from hclip_jax.sharding import place, sharding
from hclip_jax.text.prompts import Prompts, pad_prompts
from hclip_jax.training.losses import segmentation_loss
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.state import TrainState, join


def place_prompts(prompts: Prompts, mesh: Mesh) -> Prompts:
    """Puts the sentences of a vocabulary on the mesh, every device as many."""
    return place(pad_prompts(prompts, mesh.size), mesh, "sentences")


Metrics = dict[str, Array]
Step = Callable[[TrainState, Params, Prompts, dict[str, Array]], tuple[TrainState, Metrics]]


def make_loss(config: Config) -> Callable[..., Array]:
    """loss(trainable, frozen, prompts, batch), a float32 scalar."""
    model, train = Model(config), config.train

    def loss(trainable: Params, frozen: Params, prompts: Prompts, batch: dict[str, Array]) -> Array:
        params = join(trainable, frozen)
        clip = model.adapt(params)
        text = model.encode_text(clip, prompts)
        logits = model.segment(clip, params["head"], batch["image"], text, train.pooling)
        return segmentation_loss(logits, batch["label"], train.ignore)

    return loss


def make_step(config: Config, mesh: Mesh) -> Step:
    """A compiled step(state, frozen, prompts, batch) -> (state, metrics).

    `batch` holds image uint8 [B, H, W, 3] and label int32 [B, H, W]. The state's buffers are donated.
    Metrics are `loss` and `gradient_norm` (before clipping), of the weights the step started from.
    """
    loss_and_gradient = jax.value_and_grad(make_loss(config))
    optimizer = make_optimizer(config.train)

    def step(
        state: TrainState, frozen: Params, prompts: Prompts, batch: dict[str, Array]
    ) -> tuple[TrainState, Metrics]:
        loss, gradient = loss_and_gradient(state.trainable, frozen, prompts, batch)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, opt_state = optimizer.update(gradient, state.opt_state, state.trainable)
        trainable = cast(Params, optax.apply_updates(state.trainable, updates))
        metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}
        return TrainState(state.step + 1, trainable, opt_state), metrics

    everywhere = sharding(mesh, "parameters")
    return jax.jit(
        step,
        in_shardings=(
            everywhere,
            everywhere,
            sharding(mesh, "sentences"),
            sharding(mesh, "pictures"),
        ),
        out_shardings=(everywhere, everywhere),
        donate_argnums=0,
    )


def text_energy(model: Model, params: Params) -> Array:
    """Hyperspherical energy of the adapted text tower relative to CLIP's own: 1 within 1e-5."""
    return relative_energy(model.adapt(params)["text"], params["clip"]["text"])
