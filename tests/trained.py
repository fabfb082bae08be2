"""A training that has come to a checkpoint, in a moment: the micro model with weights worth loading."""

import dataclasses
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from hclip_jax.models.params import Params
from hclip_jax.segmenter import Segmenter
from hclip_jax.sharding import make_mesh
from hclip_jax.training.checkpoints import TrainCheckpoints
from hclip_jax.training.init import initial_params
from hclip_jax.training.state import init_state, split
from hclip_jax.training.workdir import claim_workdir, write_trained_class_names
from tests.small_models import micro

CLASSES = ("cat", "sky, clouds", "traffic light", "wall")

# What it may be shown, and asked.
RGB = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
WORDS = ("cat", "road, street", "red wall")


@cache
def params() -> Params:
    """Random, with the CLIP that a training starts from, and adapters that do change it."""
    whole = jax.device_get(initial_params(micro(), make_mesh(1)))
    leaves, tree = jax.tree.flatten(whole["adapters"])
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        x + 0.1 * np.asarray(jax.random.normal(key, x.shape)) for x, key in zip(leaves, keys, strict=True)
    ]
    return {**whole, "adapters": jax.tree.unflatten(tree, moved)}


def segmenter(synonyms: str = "first") -> Segmenter:
    """A new one, that knows no words yet, as if trained with `synonyms`."""
    config = micro()
    config = dataclasses.replace(config, prompts=dataclasses.replace(config.prompts, synonyms=synonyms))
    return Segmenter(config, params(), config.protocol, CLASSES)


def train(workdir: Path) -> Path:
    """Makes the directory of a training that holds `params`."""
    config = micro()
    claim_workdir(workdir, config)
    write_trained_class_names(workdir, CLASSES)
    (workdir / "metrics.jsonl").write_text("")
    trainable, _ = split(params(), config.train.trainable)
    state = init_state(trainable, config).replace(step=jnp.asarray(4, jnp.int32))
    checkpoints = TrainCheckpoints(workdir / "checkpoints", 1)
    checkpoints.save(4, state, {})
    checkpoints.close()
    return workdir
