"""The training step and the evaluation, traced for the devices of a topology from shapes alone."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from hclip_jax.config.schema import Config
from hclip_jax.inference.predictor import segment_views
from hclip_jax.inference.sliding_window import window_corners
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import DATA, Kind, named_sharding
from hclip_jax.text.prompts import pad_prompts
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.state import init_state, split
from hclip_jax.training.step import make_step


class TracedProgram(NamedTuple):
    """A program that is traced and not yet compiled.

    Attributes:
        traced: `jax.stages.Traced`.
        images: images of a run.
        devices: devices that share the operations of the traced text: 1 where it is that of one device.
    """

    traced: Any
    images: int
    devices: int


def trace_step(config: Config, num_classes: int, mesh: Mesh) -> TracedProgram:
    """The training step of `training.step.make_step`."""
    model, optimizer = Model(config.architecture), make_optimizer(config.train)
    trainable, frozen = split(_param_shapes(model), config.train.trainable)
    state = jax.eval_shape(lambda trainable: init_state(trainable, optimizer), trainable)
    prompts = pad_prompts(model.prompts(class_names(num_classes)), mesh.size)
    shape = (config.train.batch_size, *[config.data.crop_size] * 2)
    batch = {
        "image": jax.ShapeDtypeStruct((*shape, 3), jnp.uint8),
        "label": jax.ShapeDtypeStruct(shape, jnp.int32),
    }
    step: Any = make_step(model, optimizer, config.train, mesh)  # a jitted function
    traced = step.trace(state, frozen, prompts, batch)
    return TracedProgram(traced, config.train.batch_size, 1)  # under shard_map the text is that of one device


def trace_evaluation(config: Config, num_classes: int, mesh: Mesh) -> TracedProgram:
    """All views of `evaluation.batch_size` images, rounded up to the devices along "data"."""
    model, protocol = Model(config.architecture), config.protocol
    params = _param_shapes(model)
    size, num_views = config.model.image_size, 1
    if protocol.kind == "sliding":
        corners = window_corners(protocol.canvas_size, protocol.crop_size, protocol.stride)
        size, num_views = protocol.crop_size, len(corners) + 1
    num_images = -(-config.evaluation.batch_size // mesh.shape[DATA]) * mesh.shape[DATA]
    text = (num_classes, len(config.prompts.templates), config.clip.embed_dim)

    def placed(tree: Any, kind: Kind) -> Any:
        sharding = named_sharding(mesh, kind)
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)

    jitted: Any = segment_views  # a jitted function
    traced = jitted.trace(
        model,
        mesh,
        protocol.pooling,
        placed(params["clip"], "params"),
        placed(params["head"], "params"),
        placed(jax.ShapeDtypeStruct((num_images, num_views, size, size, 3), jnp.float32), "images"),
        placed(jax.ShapeDtypeStruct(text, jnp.float32), "text_features"),
    )
    return TracedProgram(traced, num_images, 1)


PROGRAMS: dict[str, Callable[[Config, int, Mesh], TracedProgram]] = {
    "step": trace_step,
    "evaluation": trace_evaluation,
}
"""(configuration, number of classes, mesh) -> traced program."""


def class_names(num_classes: int) -> list[str]:
    """Names whose prompts have at most 12 tokens, like those of COCO-Stuff."""
    return [str(i) for i in range(num_classes)]


def one_host(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """The devices of the first process, which evaluates its own images."""
    first = min(device.process_index for device in devices)
    return [device for device in devices if device.process_index == first]


def _param_shapes(model: Model) -> Params:
    return jax.eval_shape(model.init, jax.random.key(0))
