"""Configuration: a ConfigDict in, validated frozen dataclasses out.

Every configuration error is raised here and in the two modules beside it, as one sentence: field path,
value, what is allowed. The fields are those of `config_schema.py`, their values those of `configs/`: no
module has defaults of its own.
"""

import dataclasses
import difflib
import math
import typing
from collections.abc import Mapping
from typing import Any

from flax.core import FrozenDict
from ml_collections import ConfigDict

from hclip_jax.config.adapters import check_adapters
from hclip_jax.config.checks import MOST, check_choices, check_divides, check_ranges, wrong
from hclip_jax.config.schema import Architecture, ClipConfig, Config, Protocol
from hclip_jax.errors import UserError, shown
from hclip_jax.ops.remat import POLICIES


def from_config_dict(tree: ConfigDict) -> Config:
    """Builds and checks a configuration.

    Args:
        tree: with exactly the fields above.

    Raises:
        UserError: a field is unknown, missing, of the wrong type, or has a value that is not allowed.
    """
    return from_dict(tree.to_dict())


def from_dict(tree: Mapping[str, Any]) -> Config:
    """As `from_config_dict`, from plain nested dicts such as `to_dict` gives."""
    config = build(Config, tree, "config")
    check_architecture(config)
    _check_training(config)
    _check_protocol(config, config.protocol, "config", _IN_TRAINING)
    return config


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain JSON types, tuples as lists."""
    return _plain(config)


def changed_fields(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """Paths of the fields in which two results of `to_dict` differ."""
    changed = []
    for name in sorted({*old, *new}):
        a, b, here = old.get(name), new.get(name), f"{path}{name}"
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            changed += changed_fields(a, b, f"{here}.")
        elif a != b:
            changed.append(here)
    return changed


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}


def build(kind: Any, value: Any, path: str) -> Any:
    """Converts `value` to the annotated type `kind`, such as a dataclass of `config_schema.py`.

    Args:
        kind: the type.
        value: plain dicts, lists, numbers and texts.
        path: what `value` is called in messages.

    Raises:
        UserError: a field is unknown, missing or of the wrong type.
    """
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, path)
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            raise wrong(path, value, "a tuple, such as (1, 2) or ('a',)")
        return tuple(build(typing.get_args(kind)[0], v, f"{path}[{i}]") for i, v in enumerate(value))
    if origin is Mapping or getattr(origin, "__name__", "") == "Mapping":
        if not isinstance(value, Mapping):
            raise wrong(path, value, "a mapping of names")
        entry = typing.get_args(kind)[1]
        # Hashable, as the whole configuration is: compiled functions are kept by it.
        return FrozenDict({name: build(entry, value[name], f"{path}.{name}") for name in value})
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < MOST else math.inf
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise wrong(path, value, _KINDS[kind])
    return value


def _build_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise wrong(path, value, "a group of fields")
    known = typing.get_type_hints(kind)
    for name in value:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"{path}.{shown(str(name))} is not a field; {path} has {', '.join(known)}{hint}")
    for name in known:
        if name not in value:
            raise UserError(f"{path}.{name} is missing; give it in the config file")
    return kind(**{name: build(known[name], value[name], f"{path}.{name}") for name in known})


def check_architecture(a: Architecture, path: str = "config") -> None:
    """Checks values that types cannot rule out, and fields that must fit each other.

    Raises:
        UserError: a value is not allowed; it is named by `path` and its own path.
    """
    check_clip(a.clip, path)
    check_choices(
        path,
        ("model.dtype", a.model.dtype, ("float32", "bfloat16")),
        ("model.head_dtype", a.model.head_dtype, ("float32", "bfloat16")),
        ("model.keep_towers", a.model.keep_towers, POLICIES),
        ("model.keep_head", a.model.keep_head, POLICIES),
        ("prompts.synonyms", a.prompts.synonyms, ("first", "mean")),
    )
    if not a.prompts.templates:
        raise wrong(f"{path}.prompts.templates", (), "at least one template with one {}")
    check_ranges(to_dict(a), path)
    check_adapters(a.adapters, a.clip, path)
    image, head = a.clip.image, a.head
    check_divides(
        path,
        ("model.resolution", a.model.resolution, "clip.image.patch", image.patch),
        ("head.hidden", head.hidden, "head.heads", head.heads),
        (_GRID, grid(a), "head.window", min(head.window, grid(a))),
    )
    for name in ("guidance_blocks", "decoder", "decoder_guidance", "decoder_guidance_projection"):
        if len(getattr(head, name)) != 2:
            raise wrong(f"{path}.head.{name}", getattr(head, name), "two numbers, one a decoder step")
    for i, wide in enumerate((head.hidden, head.decoder[0])):
        if head.decoder_guidance_projection[i] >= wide:
            raise wrong(
                f"{path}.head.decoder_guidance_projection[{i}]",
                head.decoder_guidance_projection[i],
                f"less than the {wide} channels it joins",
            )
    if head.prior >= 1:
        raise wrong(f"{path}.head.prior", head.prior, "a probability less than 1, or 0 for none")
    for i, width in enumerate(head.decoder):
        if width % max(1, width // 16):
            raise wrong(f"{path}.head.decoder[{i}]", width, "less than 32, or a multiple of 16")
    if not all(0 < i < image.layers for i in head.guidance_blocks):
        raise wrong(
            f"{path}.head.guidance_blocks",
            head.guidance_blocks,
            f"blocks 1 to {image.layers - 1} (the last block of clip.image is dense)",
        )


def check_clip(clip: ClipConfig, path: str = "config") -> None:
    """As `check_architecture`, of CLIP alone."""
    check_choices(path, ("clip.activation", clip.activation, ("quick_gelu", "gelu")))
    check_ranges(to_dict(clip), f"{path}.clip")
    image, text = clip.image, clip.text
    check_divides(
        path,
        ("clip.image.width", image.width, "clip.image.heads", image.heads),
        ("clip.text.width", text.width, "clip.text.heads", text.heads),
        ("clip.image.resolution", image.resolution, "clip.image.patch", image.patch),
    )


def grid(a: Architecture) -> int:
    """Patches along a side of what CLIP is shown."""
    return a.model.resolution // a.clip.image.patch


_GRID = "model.resolution / clip.image.patch"


def _check_training(c: Config) -> None:
    check_choices(
        "config",
        ("train.ignore", c.train.ignore, ("negative", "masked")),
        *(("train.trainable", part, ("clip", "adapters", "head")) for part in c.train.trainable),
    )
    if not c.train.trainable or len(set(c.train.trainable)) < len(c.train.trainable):
        raise wrong("config.train.trainable", c.train.trainable, "at least one part, each once")
    check_ranges(to_dict(c), "config")
    check_divides("config", (_GRID, grid(c), "train.pooling", c.train.pooling))
    if c.train.trainable == ("adapters",) and c.adapters.method == "none":
        raise wrong("config.train.trainable", c.train.trainable, "more, as adapters.method none has none")
    if c.train.warmup >= c.train.steps:
        raise wrong("config.train.warmup", c.train.warmup, f"less than train.steps = {c.train.steps}")


# Where a training has the fields of its protocol.
_IN_TRAINING = {
    "kind": "evaluation.protocol",
    "pooling": "evaluation.pooling",
    "canvas": "evaluation.canvas",
    "crop": "data.crop",
    "stride": "evaluation.stride",
}


def check_protocol(a: Architecture, p: Protocol, path: str) -> None:
    """As `check_architecture`, of the protocol that a model is used by."""
    check_ranges(to_dict(p), f"{path}.protocol")
    _check_protocol(a, p, path, {name: f"protocol.{name}" for name in _IN_TRAINING})


def _check_protocol(a: Architecture, p: Protocol, path: str, names: Mapping[str, str]) -> None:
    check_choices(path, (names["kind"], p.kind, ("sliding", "single")))
    check_divides(path, (_GRID, grid(a), names["pooling"], p.pooling))
    stride = f"{path}.{names['stride']}"
    if p.stride > p.crop:
        raise wrong(stride, p.stride, f"at most {names['crop']} = {p.crop}, or gaps stay")
    if p.canvas < p.crop or (p.canvas - p.crop) % p.stride:
        raise UserError(
            f"{path}.{names['canvas']} is {p.canvas}, which windows of {path}.{names['crop']} = {p.crop} at "
            f"{stride} = {p.stride} do not tile; it must be {p.crop} + n * {p.stride}"
        )
