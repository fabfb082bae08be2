"""What trains and what is frozen. Freezing is structural: frozen parts never meet the optimizer."""

from typing import Any

import flax.struct
import jax.numpy as jnp
from jax import Array

from hclip_jax.config.schema import Config
from hclip_jax.models.hclip import Params
from hclip_jax.training.optimizer import make_optimizer


@flax.struct.dataclass
class TrainState:
    """All that a step changes, and all that a checkpoint holds of the model."""

    step: Array  # int32, updates made
    trainable: Params  # {part: parameters} of the parts in config.train.trainable
    opt_state: Any


def split(params: Params, trainable: tuple[str, ...]) -> tuple[Params, Params]:
    """The parts that train and those that are frozen; `join` puts them together again."""
    chosen = {part: params[part] for part in trainable}
    return chosen, {part: params[part] for part in params if part not in trainable}


def join(trainable: Params, frozen: Params) -> Params:
    """The whole parameter tree."""
    return {**frozen, **trainable}


def init_state(trainable: Params, config: Config) -> TrainState:
    """The state before the first step."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        trainable=trainable,
        opt_state=make_optimizer(config.train).init(trainable),
    )
