"""Checks of fields against each other, and whole configurations from dicts.

The field types of the schema rule out single wrong values (`build.py`); what several fields must have in
common is checked here. Each error is one sentence: field path, value, what is allowed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hclip_jax.config.build import build, check_divides, shown, wrong
from hclip_jax.config.schema import Architecture, ClipConfig, Config, HeadConfig, InferenceProtocol
from hclip_jax.config.validate_adapters import check_adapters
from hclip_jax.errors import UserError

if TYPE_CHECKING:
    from ml_collections import ConfigDict


def from_config_dict(tree: "ConfigDict") -> Config:
    """Builds and checks a configuration.

    Args:
        tree: exactly the fields of `schema.Config`.

    Raises:
        UserError: a field is unknown, missing, of the wrong type, or has a value that is not allowed.
    """
    return from_dict(tree.to_dict())


def from_dict(tree: Mapping[str, Any]) -> Config:
    """As `from_config_dict`, from plain nested dicts such as `build.to_dict` returns."""
    config: Config = build(Config, tree, "config")
    check_architecture(config.architecture)
    _check_training(config)
    _check_protocol(config.architecture, config.protocol, "config", _IN_TRAINING)
    return config


def check_architecture(a: Architecture, path: str = "config") -> None:
    """Checks the fields of a model against each other.

    Raises:
        UserError: fields contradict each other; they are named by `path` and their own paths.
    """
    check_clip(a.clip, path)
    if not a.prompts.templates:
        raise wrong(f"{path}.prompts.templates", (), "at least one template with one {}")
    image, text = a.clip.image, a.clip.text
    sizes = {"image": (image.num_layers, image.width), "text": (text.num_layers, text.width)}
    check_adapters(a.adapters, sizes, path)
    check_divides(
        path,
        ("model.image_size", a.model.image_size, "clip.image.patch_size", a.clip.image.patch_size),
        (_GRID, grid_size(a), "head.window_size", min(a.head.window_size, grid_size(a))),
    )
    _check_head(a.head, a.clip, path)


def check_clip(clip: ClipConfig, path: str = "config") -> None:
    """As `check_architecture`, for CLIP alone."""
    image, text = clip.image, clip.text
    check_divides(
        path,
        ("clip.image.width", image.width, "clip.image.num_heads", image.num_heads),
        ("clip.text.width", text.width, "clip.text.num_heads", text.num_heads),
        ("clip.image.image_size", image.image_size, "clip.image.patch_size", image.patch_size),
    )


def check_protocol(a: Architecture, p: InferenceProtocol, path: str) -> None:
    """As `check_architecture`, for the protocol that a model is used with."""
    _check_protocol(a, p, path, {name: f"protocol.{name}" for name in _IN_TRAINING})


def check_set_names(path: str, names: Iterable[Any]) -> None:
    """Checks names of evaluation sets, which name the files of their reports.

    Raises:
        UserError: one is no file name.
    """
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", name):
            raise wrong(path, name, "names of up to 100 letters, digits, _, - or .")


def grid_size(a: Architecture) -> int:
    """Number of patches along each axis of CLIP's input."""
    return a.model.image_size // a.clip.image.patch_size


_GRID = "model.image_size / clip.image.patch_size"


def _check_head(head: HeadConfig, clip: ClipConfig, path: str) -> None:
    check_divides(path, ("head.hidden_dim", head.hidden_dim, "head.num_heads", head.num_heads))
    for name in ("guidance_layers", "decoder_dims", "decoder_guidance_dims", "decoder_guidance_proj_dims"):
        if len(getattr(head, name)) != 2:
            raise wrong(f"{path}.head.{name}", getattr(head, name), "two numbers, one a decoder step")
    for i, width in enumerate((head.hidden_dim, head.decoder_dims[0])):
        if head.decoder_guidance_proj_dims[i] >= width:
            raise wrong(
                f"{path}.head.decoder_guidance_proj_dims[{i}]",
                head.decoder_guidance_proj_dims[i],
                f"less than the {width} channels it is concatenated with",
            )
    if head.prior_prob >= 1:
        raise wrong(f"{path}.head.prior_prob", head.prior_prob, "a probability less than 1, or 0 for none")
    for i, width in enumerate(head.decoder_dims):
        if width % max(1, width // 16):
            raise wrong(f"{path}.head.decoder_dims[{i}]", width, "less than 32, or a multiple of 16")
    if not all(layer < clip.image.num_layers for layer in head.guidance_layers):
        raise wrong(
            f"{path}.head.guidance_layers",
            head.guidance_layers,
            f"layers 1 to {clip.image.num_layers - 1} (the last layer of clip.image has no attention)",
        )


def _check_training(c: Config) -> None:
    check_set_names("config.evaluation.sets", c.evaluation.sets)
    if c.start and c.clip.weights:
        raise UserError(
            f"config.start is {shown(c.start)} and config.clip.weights is {shown(c.clip.weights)}, but CLIP "
            f"comes from one of them; leave the other empty"
        )
    if not c.train.trainable or len(set(c.train.trainable)) < len(c.train.trainable):
        raise wrong("config.train.trainable", c.train.trainable, "at least one part, each once")
    check_divides("config", (_GRID, grid_size(c.architecture), "train.pooling", c.train.pooling))
    if c.train.trainable == ("adapters",) and c.adapters.method == "none":
        raise wrong("config.train.trainable", c.train.trainable, "more, as adapters.method none has none")
    if c.train.warmup_steps >= c.train.num_train_steps:
        raise wrong(
            "config.train.warmup_steps",
            c.train.warmup_steps,
            f"less than train.num_train_steps = {c.train.num_train_steps}",
        )


# Where a training has the fields of its protocol.
_IN_TRAINING = {
    "pooling": "evaluation.pooling",
    "canvas_size": "evaluation.canvas_size",
    "crop_size": "data.crop_size",
    "stride": "evaluation.stride",
}


def _check_protocol(a: Architecture, p: InferenceProtocol, path: str, names: Mapping[str, str]) -> None:
    check_divides(path, (_GRID, grid_size(a), names["pooling"], p.pooling))
    stride = f"{path}.{names['stride']}"
    if p.stride > p.crop_size:
        raise wrong(stride, p.stride, f"at most {names['crop_size']} = {p.crop_size}, or gaps remain")
    if p.canvas_size < p.crop_size or (p.canvas_size - p.crop_size) % p.stride:
        raise UserError(
            f"{path}.{names['canvas_size']} is {p.canvas_size}, which windows of {path}.{names['crop_size']} "
            f"= {p.crop_size} at {stride} = {p.stride} do not tile; it must be {p.crop_size} + n * {p.stride}"
        )
