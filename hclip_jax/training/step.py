"""One update: loss and gradient of the trainable parts, compiled once for a mesh."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import jax
import optax
from jax import Array
from jax.sharding import Mesh

from hclip_jax.adapters.energy import relative_energy
from hclip_jax.config.schema import TrainConfig
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import AXES, CLASS, DATA, RULES, named_sharding, place
from hclip_jax.text.prompts import Prompts, pad_prompts
from hclip_jax.training.losses import absent_class_loss, pixel_weights, segmentation_loss
from hclip_jax.training.microbatch import sum_over_microbatches
from hclip_jax.training.state import TrainState, join

Batch = dict[str, Array]
Metrics = dict[str, Array]
Step = Callable[[TrainState, Params, Prompts, Batch], tuple[TrainState, Metrics]]


REQUESTS = ("stop", "interrupt", "save")
"""Requests of a process to all: not 0 in its rows of a batch, so not 0 in the sum that every process gets."""


def place_prompts(prompts: Prompts, mesh: Mesh) -> Prompts:
    """Shards prompts evenly over the devices of the mesh."""
    return place(pad_prompts(prompts, mesh.size), mesh, "prompts")


def make_loss(model: Model, train: TrainConfig) -> Callable[[Params, Params, Prompts, Batch], Array]:
    """Returns loss(trainable, frozen, prompts, batch), a float32 scalar.

    With a sharded model it is this device's part of the loss.
    """
    data_axis, class_axis = (DATA, CLASS) if model.sharded else (None, None)

    def loss(trainable: Params, frozen: Params, prompts: Prompts, batch: Batch) -> Array:
        params = join(trainable, frozen)
        clip = model.adapt(params)
        text = model.encode_text(clip, prompts)
        weights = pixel_weights(batch["label"], len(text), train.unlabeled, data_axis)
        variables, examples = (clip, params["head"], text), (batch["image"], batch["label"], weights)
        return sum_over_microbatches(image_loss, variables, examples, train.microbatch)

    def image_loss(variables: tuple[Params, Params, Array], examples: tuple[Array, Array, Array]) -> Array:
        (clip, head, text), (images, labels, weights) = variables, examples
        logits, class_ids = model.class_logits(clip, head, images, text, train.pooling)
        value = segmentation_loss(logits, labels, weights, class_ids)
        if class_ids is not None and len(text) > model.architecture.head.max_classes:
            value = value + absent_class_loss(labels, weights, class_ids, class_axis)
        return value

    return loss


def make_step(model: Model, optimizer: optax.GradientTransformation, train: TrainConfig, mesh: Mesh) -> Step:
    """Returns a compiled step(state, frozen, prompts, batch) -> (state, metrics).

    `batch` holds image uint8 [B, H, W, 3], label int32 [B, H, W] and any of REQUESTS, int32 [B]. The state's
    buffers are donated. Metrics are `loss` and `grad_norm` (before clipping), at the weights before the
    update, and the sums of the requests.
    """
    loss_and_gradient = jax.value_and_grad(make_loss(replace(model, sharded=True), train))

    def summed(
        trainable: Params, frozen: Params, prompts: Prompts, batch: Batch
    ) -> tuple[tuple[Array, Params], dict[str, Array]]:
        result = loss_and_gradient(trainable, frozen, prompts, batch)
        # The only sum of gradients of a step: of all of them, at its end.
        requests = {name: batch[name].sum() for name in REQUESTS if name in batch}
        return jax.lax.psum((result, requests), AXES)

    # check_vma=False: it rejects the custom gradients of ops/.
    in_specs = (RULES["params"], RULES["params"], RULES["prompts"], RULES["images"])
    sharded = jax.shard_map(summed, mesh=mesh, in_specs=in_specs, out_specs=RULES["params"], check_vma=False)

    def step(state: TrainState, frozen: Params, prompts: Prompts, batch: Batch) -> tuple[TrainState, Metrics]:
        (loss, gradient), requests = sharded(state.trainable, frozen, prompts, batch)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, opt_state = optimizer.update(gradient, state.opt_state, state.trainable)
        trainable = cast(Params, optax.apply_updates(state.trainable, updates))
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(gradient), **requests}
        return TrainState(state.step + 1, trainable, opt_state), metrics

    replicated = named_sharding(mesh, "params")
    return jax.jit(
        step,
        in_shardings=(
            replicated,
            replicated,
            named_sharding(mesh, "prompts"),
            named_sharding(mesh, "images"),
        ),
        out_shardings=(replicated, replicated),
        donate_argnums=0,
    )


def text_energy(model: Model, params: Params) -> Array:
    """Hyperspherical energy of the adapted text tower relative to CLIP's own: 1 within 1e-5."""
    return relative_energy(model.adapt(params)["text"], params["clip"]["text"])
