"""AdamW as published: one cosine schedule, a learning-rate multiplier for each part, one gradient norm."""

from collections.abc import Hashable, Mapping
from typing import Any, cast

import jax
import optax

from hclip_jax.config.schema import TrainConfig


def schedule(config: TrainConfig) -> optax.Schedule:
    """Learning rate by step: linear warm-up to the base rate, then cosine decay to 0 at the last step."""
    cosine = optax.cosine_decay_schedule(config.learning_rate, config.num_train_steps - config.warmup_steps)
    if not config.warmup_steps:
        return cosine
    warmup = optax.linear_schedule(0.0, config.learning_rate, config.warmup_steps)
    return optax.join_schedules([warmup, cosine], [config.warmup_steps])


def lr_multiplier(config: TrainConfig, part: str) -> float:
    """Factor of the learning rate of a part."""
    return getattr(config.lr_multipliers, part)


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """The optimizer of a tree {part: parameters} of the trainable parts.

    The gradient is clipped by its norm over all parts, before it is split by part.
    """
    scales = {part: optax.scale(lr_multiplier(config, part)) for part in config.trainable}
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8),
        optax.add_decayed_weights(config.weight_decay, mask=decay_mask),
        optax.partition(cast(Mapping[Hashable, Any], scales), _part_labels),
        optax.scale_by_learning_rate(schedule(config)),
    )


def decay_mask(params: Any) -> Any:
    """Tree of booleans: weight decay applies to all leaves except those of normalisation layers."""
    return jax.tree.map_with_path(lambda path, _: "norm" not in jax.tree_util.keystr(path), params)


def _part_labels(params: dict[str, Any]) -> dict[str, Any]:
    return jax.tree.map_with_path(lambda path, _: path[0].key, params)
