"""A trained micro model without a training: random weights, as a checkpoint and as a `Segmenter`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.config.schema import Config
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.segmenter import Segmenter
from hclip_jax.sharding import make_mesh
from hclip_jax.training.checkpoints import TrainCheckpoints
from hclip_jax.training.init import initial_params
from hclip_jax.training.optimizer import make_optimizer
from hclip_jax.training.state import init_state, split
from hclip_jax.training.workdir import claim_workdir, write_trained_class_names
from tests.small_models import micro

CLASSES = ("cat", "sky, clouds", "traffic light", "wall")
"""Class names of the training."""

RGB = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
CLASS_NAMES = ("cat", "road, street", "red wall")
"""Class names to segment `RGB` with."""


@cache
def params() -> Params:
    """Initial parameters with noise on the adapters, which then change CLIP."""
    config = micro()
    initial = jax.device_get(initial_params(Model(config.architecture), config.seed, make_mesh(1)))
    leaves, tree = jax.tree.flatten(initial["adapters"])
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [
        x + 0.1 * np.asarray(jax.random.normal(key, x.shape)) for x, key in zip(leaves, keys, strict=True)
    ]
    return {**initial, "adapters": jax.tree.unflatten(tree, noisy)}


def segmenter(synonyms: Literal["first", "mean"] = "first") -> Segmenter:
    """A new segmenter with `params`, as if trained with `config.prompts.synonyms=synonyms`."""
    config = micro()
    architecture = replace(config.architecture, prompts=replace(config.prompts, synonyms=synonyms))
    return Segmenter(Model(architecture), params(), config.protocol, CLASSES)


def train(workdir: Path, config: Config | None = None, steps: Sequence[int] = (4,)) -> Path:
    """Writes the directory of a training with `params` after each of the steps."""
    config = config or micro()
    claim_workdir(workdir, config)
    write_trained_class_names(workdir, CLASSES)
    (workdir / "metrics.jsonl").write_text("")
    trainable, _ = split(params(), config.train.trainable)
    state = init_state(trainable, make_optimizer(config.train))
    with TrainCheckpoints(workdir, len(steps)) as checkpoints:
        for step in steps:
            checkpoints.save(step, replace(state, step=jnp.asarray(step, jnp.int32)), {"batches": step})
    return workdir
