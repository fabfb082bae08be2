"""Plain dicts to the dataclasses of the schema and back, checked field by field."""

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from hclip_jax.config.ranges import LARGEST, Range
from hclip_jax.errors import UserError, printable

_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}


def wrong(path: str, value: Any, allowed: str) -> UserError:
    """The error for a value at `path` that is not allowed."""
    return UserError(f"{path} is {shown(value)}; it must be {allowed}")


def shown(value: Any) -> str:
    """A value of a configuration for a message: at most 200 characters on one line."""
    try:
        return " ".join(repr(value).split())[:200]
    except (ValueError, RecursionError):  # a number of thousands of digits, deep nesting
        return f"a value of type {type(value).__name__}"


def build(kind: Any, value: Any, path: str) -> Any:
    """Converts `value` to the annotated type `kind`, such as a dataclass of `schema.py`.

    Args:
        kind: a dataclass, a union of dataclasses told apart by `method`, tuple[x, ...], Mapping[str, x],
            Literal, int, float, str or bool; numbers may be Annotated with a Range.
        value: plain dicts, lists, numbers and strings.
        path: the name of `value` in messages.

    Raises:
        UserError: a field is unknown, missing, of the wrong type, not one of its choices or out of range.
    """
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _build_method(typing.get_args(kind), value, path)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, path)
    if origin is Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise wrong(path, value, f"one of {', '.join(choices)}")
        return value
    if origin is Annotated:
        kind, bounds = typing.get_args(kind)
        return _in_range(build(kind, value, path), bounds, path)
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            raise wrong(path, value, "a tuple, such as (1, 2) or ('a',)")
        return tuple(build(typing.get_args(kind)[0], v, f"{path}[{i}]") for i, v in enumerate(value))
    if origin is Mapping or getattr(origin, "__name__", "") == "Mapping":
        if not isinstance(value, Mapping):
            raise wrong(path, value, "a mapping of names")
        entry = typing.get_args(kind)[1]
        return {name: build(entry, value[name], f"{path}.{printable(str(name))}") for name in value}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) <= LARGEST else math.inf
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise wrong(path, value, _KINDS[kind])
    return value


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass of the schema as plain JSON types, tuples as lists."""
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


def _build_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise wrong(path, value, "a group of fields")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    types_ = typing.get_type_hints(kind, include_extras=True)
    # The message names the tuning method, which decides the fields, and a file once.
    owner = path.rpartition(": ")[2]
    owner += f", method {fields['method'].default}," if "method" in fields else ""
    for name in value:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(
                f"{path}.{printable(str(name))} is not a field; {owner} has {', '.join(fields)}{hint}"
            )
    for name, field in fields.items():
        if name not in value and field.default is field.default_factory:  # both MISSING
            raise UserError(f"{path}.{name} is missing; add it")
    return kind(**{name: build(types_[name], value[name], f"{path}.{name}") for name in value})


def _build_method(kinds: tuple[Any, ...], value: Any, path: str) -> Any:
    """Builds the one of several dataclasses that has the value's `method`."""
    if not isinstance(value, Mapping):
        raise wrong(path, value, "a group of fields")
    if "method" not in value:
        raise UserError(f"{path}.method is missing; add it")
    by_method = {kind.method: kind for kind in kinds}
    if not isinstance(value["method"], str) or value["method"] not in by_method:
        raise wrong(f"{path}.method", value["method"], f"one of {', '.join(by_method)}")
    return _build_dataclass(by_method[value["method"]], value, path)


def _in_range(value: float, bounds: Range, path: str) -> float:
    if not (value > 0 or (bounds.zero and value == 0)):
        raise wrong(path, value, "0 or more" if bounds.zero else "more than 0")
    if value > bounds.largest:
        raise wrong(path, value, f"at most {bounds.largest}")
    return value


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def check_divides(root: str, *rules: tuple[str, int, str, int]) -> None:
    """Raises UserError for a rule (path, value, path, divisor) that does not hold."""
    for whole, value, part, divisor in rules:
        if value % divisor:
            raise UserError(
                f"{root}.{whole} is {value}, which {root}.{part} = {divisor} does not divide; "
                f"choose one that does"
            )
