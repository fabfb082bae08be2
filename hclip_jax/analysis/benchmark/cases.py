"""What is timed. A case is made from a configuration with random weights: speed does not depend on them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from hclip_jax.analysis.benchmark.flops import arithmetic
from hclip_jax.config.schema import Config, Protocol
from hclip_jax.data.loader import train_batches
from hclip_jax.data.sources import open_source
from hclip_jax.inference.predictor import Predictor
from hclip_jax.models.hclip import Model, Params
from hclip_jax.sharding import make_mesh, place, sharding
from hclip_jax.text.prompts import Prompts
from hclip_jax.training.init import initial_params
from hclip_jax.training.state import init_state, join, split
from hclip_jax.training.step import make_step, place_prompts

READ = 128  # pictures that one run of `reading` reads, at least


class Case(NamedTuple):
    """Something to time."""

    run: Callable[[], Any]  # once; the first time it compiles
    operations: float  # floating-point, of matrix products and convolutions; 0 = not counted


def training_step(config: Config, classes: int) -> Case:
    """A training step of `train.batch` pictures: forward, backward and update."""
    mesh = make_mesh()
    words = _words(config, classes, mesh)
    trainable, frozen = split(initial_params(config, mesh), config.train.trainable)
    state = jax.device_put(init_state(trainable, config), sharding(mesh, "parameters"))
    batch, side = config.train.batch, config.data.crop
    rng = np.random.default_rng(0)
    pictures = {
        "image": rng.integers(0, 256, (batch, side, side, 3), np.uint8),
        "label": rng.integers(0, classes, (batch, side, side), np.int32),
    }
    placed = place(pictures, mesh, "pictures")
    step = make_step(config, mesh)
    operations = arithmetic(step, state, frozen, words, placed)

    def run() -> Any:
        nonlocal state  # whose buffers every step takes over
        state, metrics = step(state, frozen, words, placed)
        return metrics

    return Case(run, operations)


def picture(config: Config, classes: int) -> Case:
    """`train.batch` pictures at one look each, words encoded before."""
    return _prediction(config, classes, replace(config.protocol, kind="single"), config.data.crop)


def sliding(config: Config, classes: int) -> Case:
    """`train.batch` pictures by the sliding window of the published protocol, words encoded before."""
    return _prediction(
        config, classes, replace(config.protocol, kind="sliding"), config.evaluation.short_side
    )


def _prediction(config: Config, classes: int, protocol: Protocol, side: int) -> Case:
    mesh = make_mesh()
    params = initial_params(config, mesh)
    predictor = Predictor(Model(config), params, _names(classes), mesh, protocol)
    batch = [np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)] * config.train.batch
    sizes = [(side, side)] * len(batch)
    operations = arithmetic(lambda: predictor.logits(batch))
    return Case(lambda: predictor.segment(batch, sizes), operations)


def text(config: Config, classes: int) -> Case:
    """The words encoded, at the length they have and what they start with once."""
    return _encoding(config, classes, 0)


def text_whole_context(config: Config, classes: int) -> Case:
    """The same with sentences filled up to the whole context, as the published code does."""
    return _encoding(config, classes, config.clip.text.context)


def _encoding(config: Config, classes: int, length: int) -> Case:
    mesh, model = make_mesh(), Model(config)
    words = _words(config, classes, mesh)
    if length:
        tokens = jnp.pad(words.tokens, ((0, 0), (0, length - words.tokens.shape[1])))
        words = replace(words, tokens=tokens, alike=1)
    clip = initial_params(config, mesh)["clip"]
    encode = jax.jit(model.encode_text)
    return Case(lambda: encode(clip, words), arithmetic(encode, clip, words))


def adapt(config: Config, _: int) -> Case:
    """The adapters folded into both towers, and the gradient back to them."""
    mesh, model = make_mesh(), Model(config)
    trainable, frozen = split(initial_params(config, mesh), ("adapters",))

    def attention(clip: Params) -> list[Params]:
        return [clip[tower]["blocks"]["attention"] for tower in ("text", "image")]

    @jax.jit
    def there_and_back(trainable: Params, frozen: Params, slopes: list[Params]) -> Any:
        adapted, pull = jax.vjp(lambda t: attention(model.adapt(join(t, frozen))), trainable)
        return adapted, pull(slopes)

    # What the slopes are makes no difference to the time, but they have the shapes of the weights.
    arguments = trainable, frozen, attention(frozen["clip"])
    return Case(lambda: there_and_back(*arguments), arithmetic(there_and_back, *arguments))


def reading(config: Config, _: int) -> Case:
    """READ pictures read and augmented, by `data.workers`: more than are ever read ahead."""
    data = config.data
    source = open_source(data.root or "scenes", data.split, data.classes, data.vocabulary)
    batches = train_batches(
        source, batch=config.train.batch, size=data.crop, seed=config.seed, workers=data.workers
    )
    return Case(lambda: [next(batches) for _ in range(-(-READ // config.train.batch))], 0.0)


CASES: dict[str, Callable[[Config, int], Case]] = {
    "step": training_step,
    "picture": picture,
    "sliding": sliding,
    "text": text,
    "text-whole": text_whole_context,
    "adapt": adapt,
    "reading": reading,
}


def _names(classes: int) -> list[str]:
    # In the default template 12 tokens at most, as the names of COCO-Stuff.
    return [str(i) for i in range(classes)]


def _words(config: Config, classes: int, mesh: Mesh) -> Prompts:
    return place_prompts(Model(config).prompts(_names(classes)), mesh)
