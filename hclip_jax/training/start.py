"""The parameters a training starts from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from hclip_jax.errors import UserError
from hclip_jax.model import Model, Params
from hclip_jax.parallel import place, sharding
from hclip_jax.weights.clip_names import clip_tensors
from hclip_jax.weights.files import read_tensors
from hclip_jax.weights.tensor_map import read

RANDOM = "random"


def initial_params(model: Model, mesh: Mesh) -> Params:
    """CLIP from `config.clip.weights`, adapters that change nothing, and a random head.

    Raises:
        UserError: no weights are given, or they do not fit.
    """
    config = model.config
    check_weights(config.clip.weights)
    rng = jax.random.key(config.seed)
    if config.clip.weights == RANDOM:
        return _once(model.init, mesh)(rng)

    def rest(rng: jax.Array) -> Params:
        return {part: tree for part, tree in model.init(rng).items() if part != "clip"}

    path = Path(config.clip.weights)
    like = {"clip": jax.eval_shape(model.init, rng)["clip"]}
    clip = read(clip_tensors(config.clip), read_tensors(path), like, str(path), leftover)
    params = _once(rest, mesh)(rng)
    return {**place(clip, mesh, "parameters"), **params}


def check_weights(weights: str) -> None:
    """Says how to get weights if none are given."""
    if not weights:
        raise UserError(
            "config.clip.weights is empty: give a safetensors file of CLIP with OpenAI's or OpenCLIP's "
            "names (open_clip_model.safetensors of that model on huggingface.co), as "
            "--config.clip.weights=FILE, or --config.clip.weights=random to go without"
        )


def _once(init: Callable[[jax.Array], Params], mesh: Mesh) -> Callable[[jax.Array], Params]:
    """`init` compiled for a single run: three times faster to compile on a CPU when not optimised."""
    options: Any = {"xla_backend_optimization_level": 0}
    return jax.jit(init, out_shardings=sharding(mesh, "parameters"), compiler_options=options)


def leftover(name: str) -> bool:
    """Names that OpenAI's files hold beside the weights."""
    return name in ("input_resolution", "context_length", "vocab_size")
