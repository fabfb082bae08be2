"""The parameters at the start of training."""

import dataclasses
import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from hclip_jax.config.build import changed_fields, to_dict
from hclip_jax.config.schema import ClipConfig
from hclip_jax.errors import UserError
from hclip_jax.io.paths import to_path
from hclip_jax.models.hclip import Model
from hclip_jax.models.params import Params
from hclip_jax.sharding import named_sharding, place
from hclip_jax.training.start import Start
from hclip_jax.weights.checkpoint import PARTS
from hclip_jax.weights.hub.download import local_path as hub_path
from hclip_jax.weights.model_directory import is_model_directory, load_model
from hclip_jax.weights.open_checkpoint import open_checkpoint

RANDOM = "random"
BUILT_IN = {"tiny": Path(__file__).parents[1] / "weights" / "tiny"}
"""Model directories with CLIP that come with the package."""


def initial_params(
    model: Model,
    seed: int,
    mesh: Mesh,
    start: Start | None = None,
    parts: Collection[str] = PARTS,
) -> Params:
    """CLIP from `clip.weights` of the model, adapters that change nothing, and a random head.

    Args:
        model: the model.
        seed: of all random parameters.
        mesh: devices to put the parameters on.
        start: parameters to take instead of these.
        parts: those of clip, adapters and head that are needed; the result may have others too.

    Raises:
        UserError: no weights are given, they cannot be read, or do not fit.
    """
    config = model.architecture.clip
    rng = jax.random.key(seed)
    if start is not None:
        params = place(start.params, mesh, "params")
        if "adapters" not in params:
            init = jax.jit(model.method.init, out_shardings=named_sharding(mesh, "params"))
            params["adapters"] = init(rng, params["clip"])
        return params
    _check_given(config.weights)
    if config.weights == RANDOM:
        return _compile_init(model, mesh)(rng)
    clip = place(_read_clip(config), mesh, "params")
    if set(parts) <= {"clip"}:
        return {"clip": clip}
    return {"clip": clip, **_compile_init(model, mesh)(rng, clip)}


def _check_given(weights: str) -> None:
    if not weights:
        raise UserError(
            "config.clip.weights is empty: give CLIP as OpenAI, OpenCLIP or Hugging Face publish it "
            "(ViT-B-16.pt, or open_clip_model.safetensors of that model on huggingface.co), or a model "
            "directory, as --config.clip.weights=FILE, or by its name on the Hub, such as "
            "--config.clip.weights=hf:openai/clip-vit-base-patch16, or --config.clip.weights=random to go "
            "without, or =tiny for the small CLIP of configs/tiny.py"
        )


def _read_clip(config: ClipConfig) -> Params:
    path = BUILT_IN.get(config.weights) or to_path(hub_path(config.weights))
    checkpoint = load_model(path) if is_model_directory(path) else open_checkpoint(path, like=config)
    found, wanted = (to_dict(dataclasses.replace(c, weights="")) for c in (checkpoint.clip, config))
    if changed := changed_fields(found, wanted):
        there = ", ".join(f"{field} = {_field(found, field)}" for field in changed)
        here = ", ".join(f"{field} = {_field(wanted, field)}" for field in changed)
        raise UserError(
            f"{path} holds a CLIP with {there}, but config.clip has {here}; give the weights of that model, "
            f"or the configuration of these"
        )
    if "clip" not in checkpoint.parts:
        raise UserError(f"{path} holds no CLIP; give the CLIP that it belongs to")
    if "adapters" in checkpoint.parts:
        raise UserError(
            f"{path} holds CLIP with adapters, which a training would lose; fold them in first: "
            f"hclip merge {path} TARGET --format=model"
        )
    return checkpoint.only("clip").load_params()["clip"]


def _field(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = tree[name]
    return tree


@functools.lru_cache(maxsize=1)  # a program may train one model several times
def _compile_init(model: Model, mesh: Mesh) -> Callable[..., Params]:
    """`model.init`, without the CLIP that it is given, compiled for a single run.

    It is not optimised, and so compiled three times faster on a CPU.
    """

    def init(rng: jax.Array, clip: Params | None = None) -> Params:
        params = model.init(rng, clip)
        return params if clip is None else {part: params[part] for part in params if part != "clip"}

    options: Any = {"xla_backend_optimization_level": 0}
    return jax.jit(init, out_shardings=named_sharding(mesh, "params"), compiler_options=options)
