"""Contrastive training of a small CLIP."""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from hclip_jax.config.schema import ClipConfig
from hclip_jax.io.progress import bar, console
from hclip_jax.models.hclip import init_clip
from hclip_jax.models.params import Params
from hclip_jax.pretraining.contrastive import LOGIT_SCALE, contrastive_loss, retrieval_accuracy, similarities
from hclip_jax.pretraining.pairs import eval_pairs, train_pairs

NUM_CANDIDATES = 32
_NUM_EVAL_IMAGES = 512
_LOG_EVERY = 100


class Recipe(NamedTuple):
    """The training recipe.

    Attributes:
        num_train_steps: number of updates.
        batch_size: B, pairs a step.
        learning_rate: the peak, after a linear warmup over a tenth of the steps; then cosine decay to 0.
        seed: of the initial parameters and of the data.
        num_workers: processes that draw scenes; 0 for threads of this process.
    """

    num_train_steps: int
    batch_size: int
    learning_rate: float
    seed: int
    num_workers: int


def pretrain(config: ClipConfig, recipe: Recipe) -> tuple[Params, float]:
    """Trains CLIP from random weights on captioned scenes.

    Args:
        config: both towers.
        recipe: the training recipe.

    Returns:
        CLIP's parameters, float32, and the retrieval accuracy among 32 captions on images of the test split.
    """
    image_size, context_length = config.image.image_size, config.text.context_length
    clip = init_clip(config, *jax.random.split(jax.random.key(recipe.seed)))
    clip["logit_scale"] = jnp.log(jnp.float32(LOGIT_SCALE))
    optimizer = _make_optimizer(recipe)

    @jax.jit
    def update(clip: Params, state: optax.OptState, images: Array, tokens: Array) -> tuple:
        loss, gradient = jax.value_and_grad(contrastive_loss, argnums=1)(config, clip, images, tokens)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, state = optimizer.update(gradient, state, clip)
        return optax.apply_updates(clip, updates), state, loss

    state = optimizer.init(clip)
    batches = train_pairs(
        batch_size=recipe.batch_size,
        image_size=image_size,
        context_length=context_length,
        seed=recipe.seed,
        num_workers=recipe.num_workers,
    )
    test = eval_pairs(_NUM_EVAL_IMAGES, image_size, context_length)
    with bar() as progress:
        task = progress.add_task("training CLIP", total=recipe.num_train_steps)
        for step in range(1, recipe.num_train_steps + 1):
            pairs = next(batches)
            clip, state, loss = update(clip, state, pairs["image"], pairs["tokens"])
            progress.advance(task)
            if step % _LOG_EVERY == 0:
                accuracy = evaluate_retrieval(config, clip, **test)
                console.print(
                    f"step {step}/{recipe.num_train_steps}  loss {float(loss):.4f}  "
                    f"retrieval accuracy among {NUM_CANDIDATES}: {accuracy:.1%}"
                )
    batches.close()
    return clip, evaluate_retrieval(config, clip, **test)


def evaluate_retrieval(config: ClipConfig, clip: Params, image: np.ndarray, tokens: np.ndarray) -> float:
    """Retrieval accuracy of the class token among 32 captions.

    Args:
        config: both towers.
        clip: parameters of CLIP.
        image: uint8 [B, H, W, 3].
        tokens: int32 [B, N], the captions.
    """
    cosines, _, _ = jax.jit(similarities, static_argnums=0)(config, clip, image, tokens)
    return float(retrieval_accuracy(cosines, NUM_CANDIDATES))


def _make_optimizer(recipe: Recipe) -> optax.GradientTransformation:
    schedule = optax.warmup_cosine_decay_schedule(
        0, recipe.learning_rate, recipe.num_train_steps // 10, recipe.num_train_steps
    )
    adamw = optax.adamw(schedule, weight_decay=0.1, mask=_is_matrix)
    return optax.chain(optax.clip_by_global_norm(1.0), adamw)


def _is_matrix(clip: Params) -> Params:
    """Mask of weight decay: matrices decay; norms, biases and the temperature do not."""
    return cast(Params, jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, clip))
