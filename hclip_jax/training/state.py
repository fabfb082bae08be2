"""The training state, and the split of parameters into trainable and frozen parts.

Freezing is structural: frozen parts are an argument of their own and never reach the optimizer.
"""

from typing import Any

import flax.struct
import jax.numpy as jnp
import optax
from jax import Array

from hclip_jax.models.params import Params


@flax.struct.dataclass
class TrainState:
    """All that a step changes, and all that a checkpoint holds of the model."""

    step: Array  # int32, number of updates so far
    trainable: Params  # {part: parameters} of the parts in config.train.trainable
    opt_state: Any


def split(params: Params, trainable: tuple[str, ...]) -> tuple[Params, Params]:
    """The trainable and the frozen parts; `join` is the inverse."""
    return (
        {part: params[part] for part in trainable},
        {part: params[part] for part in params if part not in trainable},
    )


def join(trainable: Params, frozen: Params) -> Params:
    """The whole parameter tree."""
    return {**frozen, **trainable}


def init_state(trainable: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step."""
    return TrainState(jnp.zeros((), jnp.int32), trainable, optimizer.init(trainable))
