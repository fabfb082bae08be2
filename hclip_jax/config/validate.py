"""Checks of fields against each other, and whole configurations from dicts.

The field types of the schema rule out single wrong values (`build.py`); what several fields must have in
common is checked here. Each error is one sentence: field path, value, what is allowed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hclip_jax.config.adapters import (
    AdapterConfig,
    BlockConfig,
    BoftConfig,
    FullConfig,
    HClipConfig,
    LoraConfig,
    NoneConfig,
)
from hclip_jax.config.build import build, shown, wrong
from hclip_jax.config.schema import Architecture, ClipConfig, Config, HeadConfig, InferenceProtocol
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
    _check_divides(
        path,
        ("model.image_size", a.model.image_size, "clip.image.patch_size", a.clip.image.patch_size),
        (_GRID, grid_size(a), "head.window_size", min(a.head.window_size, grid_size(a))),
    )
    _check_head(a.head, a.clip, path)


def check_clip(clip: ClipConfig, path: str = "config") -> None:
    """As `check_architecture`, for CLIP alone."""
    image, text = clip.image, clip.text
    _check_divides(
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
    _check_divides(path, ("head.hidden_dim", head.hidden_dim, "head.num_heads", head.num_heads))
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


def check_adapters(a: AdapterConfig, sizes: Mapping[str, tuple[int, int]], path: str = "config") -> None:
    """Checks the fields of a tuning method against each other and against CLIP.

    Args:
        a: of the method.
        sizes: (number of layers, width) of each tower.
        path: the name of the configuration in messages.

    Raises:
        UserError: two fields contradict each other.
    """
    root, path = path, f"{path}.adapters"
    for field in ("towers", "layers", "targets", "orthogonal", "parts"):
        value = getattr(a, field, ())
        if len(set(value)) < len(value):
            raise wrong(f"{path}.{field}", value, "without repetition")
    if isinstance(a, NoneConfig):
        return
    if not a.towers:
        raise wrong(f"{path}.towers", (), "at least one of text, image, or method none")
    if isinstance(a, FullConfig):
        return
    if not a.targets:
        raise wrong(f"{path}.targets", (), "at least one of query, key, value, out, or method none")
    # The image tower first, as in all other messages.
    towers = [tower for tower in ("image", "text") if tower in a.towers]
    for tower in towers:
        num_layers, width = sizes[tower]
        if max(a.layers, default=0) > num_layers:
            raise wrong(
                f"{path}.layers", a.layers, f"numbers from 1 to {num_layers}, the layers of clip.{tower}"
            )
        if isinstance(a, LoraConfig) and a.rank > width:
            raise wrong(f"{path}.rank", a.rank, f"at most clip.{tower}.width = {width}")
    if isinstance(a, BlockConfig):
        if a.neumann_terms < 2:
            raise wrong(f"{path}.neumann_terms", a.neumann_terms, "2 or more")
        _check_divides(
            root,
            *(
                (f"clip.{tower}.width", sizes[tower][1], "adapters.block_size", a.block_size)
                for tower in towers
            ),
        )
    if isinstance(a, HClipConfig):
        _check_parts(a, path)
    if isinstance(a, BoftConfig) and a.num_factors > 1:
        _check_butterflies(a, {tower: sizes[tower][1] for tower in towers}, path)


def _check_parts(a: HClipConfig, path: str) -> None:
    if not a.parts:
        raise wrong(f"{path}.parts", (), "at least one of pop, dcrc; method none trains no adapters")
    if a.parts == ("dcrc",) and set(a.towers) <= set(a.orthogonal):
        raise UserError(
            f"{path}.parts is ('dcrc',), which cannot rotate anything while every tower of {path}.towers = "
            f"{a.towers} is in {path}.orthogonal; leave one out of it, or add pop"
        )


def _check_butterflies(a: BoftConfig, widths: dict[str, int], path: str) -> None:
    if a.block_size % 2:
        raise wrong(
            f"{path}.block_size",
            a.block_size,
            f"even, because {path}.num_factors = {a.num_factors} exchange half-blocks",
        )
    for tower, width in widths.items():
        blocks, distance = width // a.block_size, 1 << min(a.num_factors - 1, 32)
        if blocks % distance:
            raise wrong(
                f"{path}.num_factors",
                a.num_factors,
                f"less, because the {blocks} blocks of clip.{tower}.width, {a.block_size} wide, are no "
                f"multiple of 2^(num_factors - 1); or choose a smaller {path}.block_size",
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
    _check_divides("config", (_GRID, grid_size(c.architecture), "train.pooling", c.train.pooling))
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
    _check_divides(path, (_GRID, grid_size(a), names["pooling"], p.pooling))
    stride = f"{path}.{names['stride']}"
    if p.stride > p.crop_size:
        raise wrong(stride, p.stride, f"at most {names['crop_size']} = {p.crop_size}, or gaps remain")
    if p.canvas_size < p.crop_size or (p.canvas_size - p.crop_size) % p.stride:
        raise UserError(
            f"{path}.{names['canvas_size']} is {p.canvas_size}, which windows of {path}.{names['crop_size']} "
            f"= {p.crop_size} at {stride} = {p.stride} do not tile; it must be {p.crop_size} + n * {p.stride}"
        )


def _check_divides(root: str, *rules: tuple[str, int, str, int]) -> None:
    """Raises UserError for a rule (path, value, path, divisor) that does not hold."""
    for whole, value, part, divisor in rules:
        if value % divisor:
            raise UserError(
                f"{root}.{whole} is {value}, which {root}.{part} = {divisor} does not divide; "
                f"choose one that does"
            )
