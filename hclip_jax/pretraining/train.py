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
from hclip_jax.pretraining.contrastive import SCALE, contrastive_loss, found_among, similarities
from hclip_jax.pretraining.pairs import test_pairs, training_pairs

CANDIDATES = 32
_TEST_PICTURES = 512
_LOG_EVERY = 100


class Recipe(NamedTuple):
    """How long and how fast a small CLIP is trained."""

    num_train_steps: int
    batch_size: int
    learning_rate: float  # linear over a tenth of the steps, then cosine to 0
    seed: int
    num_workers: int  # processes that draw


def pretrain(config: ClipConfig, recipe: Recipe) -> tuple[Params, float]:
    """Trains CLIP from random weights on captions of the built-in world.

    Args:
        config: the towers.
        recipe: the rest.

    Returns:
        CLIP's parameters, float32, and how often it finds the right caption among 32, on test pictures.
    """
    side, context = config.image.image_size, config.text.context_length
    clip = init_clip(config, *jax.random.split(jax.random.key(recipe.seed)))
    clip["logit_scale"] = jnp.log(jnp.float32(SCALE))
    rate = optax.warmup_cosine_decay_schedule(
        0, recipe.learning_rate, recipe.num_train_steps // 10, recipe.num_train_steps
    )
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=0.1, mask=_decays))

    @jax.jit
    def update(clip: Params, state: optax.OptState, images: Array, tokens: Array) -> tuple:
        loss, gradient = jax.value_and_grad(contrastive_loss, argnums=1)(config, clip, images, tokens)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, state = optimizer.update(gradient, state, clip)
        return optax.apply_updates(clip, updates), state, loss

    state = optimizer.init(clip)
    batches = training_pairs(
        batch=recipe.batch_size, side=side, context=context, seed=recipe.seed, num_workers=recipe.num_workers
    )
    test = test_pairs(_TEST_PICTURES, side, context)
    with bar() as progress:
        shown = progress.add_task("training CLIP", total=recipe.num_train_steps)
        for step in range(1, recipe.num_train_steps + 1):
            pairs = next(batches)
            clip, state, loss = update(clip, state, pairs["image"], pairs["tokens"])
            progress.advance(shown)
            if step % _LOG_EVERY == 0:
                found = retrieval(config, clip, **test)
                console.print(
                    f"step {step}/{recipe.num_train_steps}  loss {float(loss):.4f}  right caption among {CANDIDATES}: "
                    f"{found:.1%}"
                )
    batches.close()
    return clip, retrieval(config, clip, **test)


def retrieval(config: ClipConfig, clip: Params, image: np.ndarray, tokens: np.ndarray) -> float:
    """How often the right caption of pictures [B, H, W, 3] is found among 32."""
    cosines, _, _ = jax.jit(similarities, static_argnums=0)(config, clip, image, tokens)
    return float(found_among(cosines, CANDIDATES))


def _decays(clip: Params) -> Params:
    """Matrices decay; norms, biases and the temperature do not."""
    return cast(Params, jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, clip))
