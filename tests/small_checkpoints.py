"""Checkpoints of a state with two arrays."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from hclip_jax.training.checkpoints import TrainCheckpoints
from hclip_jax.training.state import TrainState


def state(step: int) -> TrainState:
    """A state whose arrays hold the step."""
    weights = jnp.full((4, 3), step, jnp.float32)
    return TrainState(jnp.asarray(step, jnp.int32), {"head": {"kernel": weights}}, {"mu": weights + 1})


def like() -> dict[str, Any]:
    """The fields of a state that `restore` reads."""
    return vars(state(0))


def save(workdir: Path, *steps: int) -> Path:
    """Saves checkpoints and returns the last one's folder."""
    with TrainCheckpoints(workdir, 9) as checkpoints:
        for step in steps:
            checkpoints.save(step, state(step), {"batches": step})
    return workdir / "checkpoints" / str(steps[-1])


def kernel(fields: dict[str, Any]) -> float:
    """The number in the arrays of a restored state."""
    array = np.asarray(fields["trainable"]["head"]["kernel"])
    assert (array == array[0, 0]).all()
    return float(array[0, 0])
