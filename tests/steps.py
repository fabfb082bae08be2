"""Training steps that all trainings of a process share: tracing them is most of the time of a small one."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from hclip_jax.config.schema import TrainConfig
from hclip_jax.training import loop

# Fields that the step does not depend on.
_TIMES: dict[str, Any] = {
    "log_every": 1,
    "checkpoint_every": 1,
    "checkpoint_minutes": 0.0,
    "max_to_keep": 1,
    "evaluate_every": 0,
    "evaluate_first": False,
}


def shared() -> Iterator[None]:
    """Lets `loop.train` reuse the steps that it made before, of the same model, recipe and mesh."""
    make_step, made = loop.make_step, dict[str, Any]()

    def make_or_reuse(model: Any, optimizer: Any, train: TrainConfig, mesh: Any) -> Any:
        key = repr((model, dataclasses.replace(train, **_TIMES), mesh))
        if key not in made:
            made[key] = make_step(model, optimizer, train, mesh)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_step", make_or_reuse)
        yield
