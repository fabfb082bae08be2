"""The micro configuration as a dict, with changes, and what refuses it."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from hclip_jax.config.build import to_dict
from hclip_jax.config.overrides import switch_method
from hclip_jax.config.validate import from_dict
from hclip_jax.errors import UserError
from tests.small_models import micro

MICRO = to_dict(micro())


def walk(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field with its path, groups too."""
    for name, value in tree.items():
        yield f"{path}{name}", value
        if isinstance(value, dict):
            yield from walk(value, f"{path}{name}.")


GROUPS = [path for path, value in walk(MICRO) if isinstance(value, dict)]
LEAVES = [(path, value) for path, value in walk(MICRO) if not isinstance(value, dict)]


def put(changes: dict[str, Any]) -> dict[str, Any]:
    """The micro configuration with the values at these paths."""
    tree = copy.deepcopy(MICRO)
    if changes.get("adapters.method", "hclip") != "hclip":
        tree["adapters"] = switch_method(tree["adapters"], changes["adapters.method"])
    for path, value in changes.items():
        *groups, name = path.split(".")
        node = tree
        for group in groups:
            node = node[group]
        node[name] = value
    return tree


def refusal(tree: dict[str, Any]) -> str:
    """The sentence that refuses a configuration."""
    with pytest.raises(UserError) as caught:
        from_dict(tree)
    assert "\n" not in str(caught.value)
    return str(caught.value)
