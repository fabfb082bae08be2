"""The benchmark cases, built from a configuration with random weights: speed does not depend on values."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.analysis.benchmark.flops import count_flops
from hclip_jax.config.schema import Config, InferenceProtocol
from hclip_jax.data.layout import Layout
from hclip_jax.data.loader import train_batches
from hclip_jax.data.sources import open_source
from hclip_jax.inference.predictor import Predictor
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import make_mesh, named_sharding, place
from hclip_jax.training.init import initial_params
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.state import init_state, join, split
from hclip_jax.training.step import make_step, place_prompts

NUM_DATA_IMAGES = 128
"""Least number of images that one run of `data` reads: more than the loader prefetches."""


class Case(NamedTuple):
    """A benchmark case.

    Attributes:
        run: runs the case once; the first run compiles.
        flops: floating-point operations of the matrix products and convolutions; 0 = not counted.
    """

    run: Callable[[], Any]
    flops: float


def training_step(config: Config, num_classes: int) -> Case:
    """A training step of `train.batch_size` images: forward, backward and update."""
    mesh, model, optimizer = make_mesh(), Model(config.architecture), make_optimizer(config.train)
    prompts = place_prompts(model.prompts(_class_names(num_classes)), mesh)
    trainable, frozen = split(initial_params(model, config.seed, mesh), config.train.trainable)
    state = jax.device_put(init_state(trainable, optimizer), named_sharding(mesh, "params"))
    rng, shape = np.random.default_rng(0), (config.train.batch_size, *[config.data.crop_size] * 2)
    batch = place(
        {
            "image": rng.integers(0, 256, (*shape, 3), np.uint8),
            "label": rng.integers(0, num_classes, shape, np.int32),
        },
        mesh,
        "images",
    )
    step = make_step(model, optimizer, config.train, mesh)
    flops = count_flops(step, state, frozen, prompts, batch)

    def run() -> Any:
        nonlocal state  # its buffers are donated at every step
        state, metrics = step(state, frozen, prompts, batch)
        return metrics

    return Case(run, flops)


def image(config: Config, num_classes: int) -> Case:
    """`train.batch_size` images in a single pass each, with text features encoded beforehand."""
    return _prediction(config, num_classes, replace(config.protocol, kind="single"), config.data.crop_size)


def sliding(config: Config, num_classes: int) -> Case:
    """`train.batch_size` images by the published sliding window, with text features encoded beforehand."""
    return _prediction(
        config, num_classes, replace(config.protocol, kind="sliding"), config.evaluation.shortest_edge
    )


def _prediction(config: Config, num_classes: int, protocol: InferenceProtocol, image_size: int) -> Case:
    mesh, model = make_mesh(), Model(config.architecture)
    params = initial_params(model, config.seed, mesh)
    predictor = Predictor(model, params, model.prompts(_class_names(num_classes)), mesh, protocol)
    pixels = np.random.default_rng(0).integers(0, 256, (image_size, image_size, 3), np.uint8)
    batch = [pixels] * config.train.batch_size
    sizes = [(image_size, image_size)] * len(batch)
    flops = count_flops(lambda: predictor.logits(batch))
    return Case(lambda: predictor.segment(batch, sizes), flops)


def text(config: Config, num_classes: int) -> Case:
    """The prompts encoded at the length of the longest one, with their shared prefix encoded once."""
    return _encoding(config, num_classes, 0)


def text_full_context(config: Config, num_classes: int) -> Case:
    """The prompts padded to the full context length, as in the published code."""
    return _encoding(config, num_classes, config.clip.text.context_length)


def _encoding(config: Config, num_classes: int, padded_length: int) -> Case:
    mesh, model = make_mesh(), Model(config.architecture)
    prompts = place_prompts(model.prompts(_class_names(num_classes)), mesh)
    if padded_length:
        tokens = jnp.pad(prompts.tokens, ((0, 0), (0, padded_length - prompts.tokens.shape[1])))
        prompts = replace(prompts, tokens=tokens, shared_prefix_len=1)
    clip = initial_params(model, config.seed, mesh)["clip"]
    encode = jax.jit(model.encode_text)
    return Case(lambda: encode(clip, prompts), count_flops(encode, clip, prompts))


def adapt(config: Config, num_classes: int) -> Case:
    """Adapters folded into both towers, and the gradient with respect to the adapters."""
    del num_classes
    mesh, model = make_mesh(), Model(config.architecture)
    trainable, frozen = split(initial_params(model, config.seed, mesh), ("adapters",))

    def attention(clip: Params) -> list[Params]:
        return [clip[tower]["blocks"]["attention"] for tower in ("text", "image")]

    @jax.jit
    def forward_backward(trainable: Params, frozen: Params, cotangents: list[Params]) -> Any:
        adapted, vjp = jax.vjp(lambda t: attention(model.adapt(join(t, frozen))), trainable)
        return adapted, vjp(cotangents)

    # The time does not depend on the cotangents' values; the weights have the right shapes.
    arguments = trainable, frozen, attention(frozen["clip"])
    return Case(lambda: forward_backward(*arguments), count_flops(forward_backward, *arguments))


def data(config: Config, num_classes: int) -> Case:
    """NUM_DATA_IMAGES images loaded and augmented by `data.num_workers` workers."""
    del num_classes
    c, batch_size = config.data, config.train.batch_size
    layout = Layout(c.images, c.labels, c.colour_map)
    source = open_source(c.root or "scenes", c.split, c.classes_file, c.label_set, c.ignore, layout)
    batches = train_batches(
        source,
        batch_size=batch_size,
        crop_size=c.crop_size,
        seed=config.seed,
        num_workers=c.num_workers,
    )
    return Case(lambda: [next(batches) for _ in range(-(-NUM_DATA_IMAGES // batch_size))], 0.0)


BUILDERS: dict[str, Callable[[Config, int], Case]] = {
    "step": training_step,
    "image": image,
    "sliding": sliding,
    "text": text,
    "text-full-context": text_full_context,
    "adapt": adapt,
    "data": data,
}
"""(configuration, number of classes) -> case, for each name of `jobs.CASES`."""


def _class_names(num_classes: int) -> list[str]:
    # At most 12 tokens in the default template, like the names of COCO-Stuff.
    return [str(i) for i in range(num_classes)]
