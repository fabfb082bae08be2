"""The parameters a training starts from."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

import hclip_jax
from hclip_jax.config.schema import ClipConfig, Config
from hclip_jax.config.validate import changed_fields, to_dict
from hclip_jax.errors import UserError
from hclip_jax.models.hclip import Model, Params
from hclip_jax.sharding import place, sharding
from hclip_jax.weights.model_directory import is_model_directory, load_model
from hclip_jax.weights.open_checkpoint import open_foreign

RANDOM = "random"
BUILT_IN = {"tiny": Path(hclip_jax.__file__).parent / "weights" / "tiny"}
"""Model directories with CLIP that come with the package."""


def initial_params(config: Config, mesh: Mesh) -> Params:
    """CLIP from `config.clip.weights`, adapters that change nothing, and a random head.

    Raises:
        UserError: no weights are given, they cannot be read, or do not fit.
    """
    check_weights(config.clip.weights)
    rng = jax.random.key(config.seed)
    init = Model(config).init
    if config.clip.weights == RANDOM:
        return _once(init, mesh)(rng)

    def rest(rng: jax.Array, clip: Params) -> Params:
        return {part: tree for part, tree in init(rng, clip).items() if part != "clip"}

    clip = place(_read_clip(config.clip), mesh, "parameters")
    return {"clip": clip, **_once(rest, mesh)(rng, clip)}


def check_weights(weights: str) -> None:
    """Says how to get weights if none are given."""
    if not weights:
        raise UserError(
            "config.clip.weights is empty: give CLIP as OpenAI, OpenCLIP or Hugging Face publish it "
            "(ViT-B-16.pt, or open_clip_model.safetensors of that model on huggingface.co), or a model "
            "directory, as --config.clip.weights=FILE, or --config.clip.weights=random to go without, "
            "or =tiny for the small CLIP of configs/tiny.py"
        )


def _read_clip(clip: ClipConfig) -> Params:
    path = BUILT_IN.get(clip.weights, Path(clip.weights))
    model = load_model(path) if is_model_directory(path) else open_foreign(path, like=clip)
    found, wanted = (to_dict(dataclasses.replace(c, weights="")) for c in (model.clip, clip))
    if changed := changed_fields(found, wanted):
        there = ", ".join(f"{field} = {_field(found, field)}" for field in changed)
        here = ", ".join(f"{field} = {_field(wanted, field)}" for field in changed)
        raise UserError(
            f"{path} holds a CLIP with {there}, but config.clip has {here}; give the weights of that model, "
            f"or the configuration of these"
        )
    if "clip" not in model.parts:
        raise UserError(f"{path} holds no CLIP; give the CLIP that it belongs to")
    if "adapters" in model.parts:
        raise UserError(
            f"{path} holds CLIP with adapters, which a training would lose; fold them in first: "
            f"python -m hclip_jax.tools.merge {path} TARGET --format=model"
        )
    return model.only("clip").params()["clip"]


def _field(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree[name]
    return tree


def _once(init: Callable[..., Params], mesh: Mesh) -> Callable[..., Params]:
    """`init` compiled for a single run: three times faster to compile on a CPU when not optimised."""
    options: Any = {"xla_backend_optimization_level": 0}
    return jax.jit(init, out_shardings=sharding(mesh, "parameters"), compiler_options=options)
