"""Contrastive training of a small CLIP."""

from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from hclip_jax.config.schema import ClipConfig
from hclip_jax.data.scenes.label_sets import LABEL_SETS, class_ids
from hclip_jax.io.progress import bar, console
from hclip_jax.models.hclip import init_clip
from hclip_jax.models.params import Params
from hclip_jax.pretraining.contrastive import LOGIT_SCALE, cosines, patch_accuracy, region_loss
from hclip_jax.pretraining.regions import MIXED, eval_regions, train_regions
from hclip_jax.text.prompts import make_prompts

_NUM_EVAL_IMAGES = 64
_EVAL_BATCH = 16
_LOG_EVERY = 100
_CLASS_NAMES = LABEL_SETS["all"]


class Recipe(NamedTuple):
    """The training recipe.

    Attributes:
        num_train_steps: number of updates.
        batch_size: B, images a step.
        learning_rate: the peak, after a linear warmup over a twentieth of the steps; it falls to 0 linearly
            over the last 40 %.
        seed: of the initial parameters and of the data.
        num_workers: processes that draw scenes; 0 for threads of this process.
    """

    num_train_steps: int
    batch_size: int
    learning_rate: float
    seed: int
    num_workers: int


def pretrain(config: ClipConfig, recipe: Recipe) -> tuple[Params, float]:
    """Trains the patch features and the text tower of CLIP from random weights.

    The class token is not trained: segmentation uses the patches alone.

    Args:
        config: both towers.
        recipe: the training recipe.

    Returns:
        CLIP's parameters, float32, and its `evaluate_patches`.
    """
    clip = init_clip(config, *jax.random.split(jax.random.key(recipe.seed)))
    clip["logit_scale"] = jnp.log(jnp.float32(LOGIT_SCALE))
    optimizer = _make_optimizer(recipe)

    def loss(clip: Params, batch: dict[str, Array]) -> Array:
        tokens = batch["tokens"].reshape(-1, batch["tokens"].shape[-1])
        named = batch["named"].reshape(len(tokens), -1)
        patch_cosines = cosines(config, clip, batch["image"], tokens)
        return region_loss(patch_cosines.reshape(-1, len(tokens)), batch["things"].ravel(), named)

    @jax.jit
    def update(clip: Params, state: optax.OptState, batch: dict[str, Array]) -> tuple:
        value, gradient = jax.value_and_grad(loss)(clip, batch)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, state = optimizer.update(gradient, state, clip)
        return optax.apply_updates(clip, updates), state, value

    state = optimizer.init(clip)
    batches = train_regions(
        batch_size=recipe.batch_size, tower=config.image, seed=recipe.seed, num_workers=recipe.num_workers
    )
    with bar() as progress:
        task = progress.add_task("training CLIP", total=recipe.num_train_steps)
        for step in range(1, recipe.num_train_steps + 1):
            clip, state, value = update(clip, state, next(batches))
            progress.advance(task)
            if step % _LOG_EVERY == 0:
                accuracy = evaluate_patches(config, clip, _NUM_EVAL_IMAGES)
                console.print(
                    f"step {step}/{recipe.num_train_steps}  loss {float(value):.4f}  "
                    f"accuracy of patches among {len(_CLASS_NAMES)} class names: {accuracy:.1%}"
                )
    batches.close()
    return clip, evaluate_patches(config, clip, _NUM_EVAL_IMAGES)


def evaluate_patches(config: ClipConfig, clip: Params, num_images: int) -> float:
    """Share of the patches of the test split whose class name has the highest cosine, of all compositions.

    Args:
        config: both towers.
        clip: parameters of CLIP.
        num_images: number of scenes.
    """
    images, things = eval_regions(num_images, config.image)
    tokens = jnp.asarray(
        make_prompts(_CLASS_NAMES, ("a photo of a {}",), "first", config.text.context_length).tokens
    )
    compute = jax.jit(cosines, static_argnums=0)
    parts = [
        compute(config, clip, images[i : i + _EVAL_BATCH], tokens) for i in range(0, num_images, _EVAL_BATCH)
    ]
    ids = np.where(things == MIXED, MIXED, class_ids("all")[things])
    return float(patch_accuracy(jnp.concatenate(parts), jnp.asarray(ids)))


def _make_optimizer(recipe: Recipe) -> optax.GradientTransformation:
    steps, peak = recipe.num_train_steps, recipe.learning_rate
    start, end = steps // 20, steps - round(0.4 * steps)
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, peak, start),
            optax.constant_schedule(peak),
            optax.linear_schedule(peak, 0.0, steps - end),
        ],
        [start, end],
    )
    adamw = optax.adamw(schedule, weight_decay=0.05, mask=_is_matrix)
    return optax.chain(optax.clip_by_global_norm(1.0), adamw)


def _is_matrix(clip: Params) -> Params:
    """Mask of weight decay: matrices decay; norms, biases and the temperature do not."""
    return cast(Params, jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, clip))
