"""The config.json beside a file of weights, in which anything may stand."""

import reprlib
from collections.abc import Mapping
from typing import Any

from hclip_jax.errors import UserError


class Settings:
    """A group of settings, false if it is empty; one that is null counts as not given."""

    def __init__(self, tree: Mapping[str, Any], where: str, path: str = "") -> None:
        """Takes parsed JSON, the file of weights for messages, and where in the JSON the group stands."""
        self._tree, self._where, self._path = tree, where, path

    def __bool__(self) -> bool:
        return bool(self._tree)

    def group(self, name: str) -> "Settings":
        """A group within this one; empty if it is not given.

        Raises:
            UserError: it is something else.
        """
        tree = self._get(name, {})
        if not isinstance(tree, Mapping):
            raise self.wrong(name, "a group of settings")
        return Settings(tree, self._where, f"{self._path}{name}.")

    def count(self, name: str, default: int) -> int:
        """A whole number of 1 or more, or `default` if it is not given.

        Raises:
            UserError: it is something else.
        """
        value = self._get(name, default)
        if type(value) is not int or (value < 1 and value != default):
            raise self.wrong(name, "a whole number of 1 or more")
        return value

    def choice(self, name: str, default: Any, allowed: tuple[Any, ...]) -> Any:
        """One of `allowed`, or `default` if it is not given.

        Raises:
            UserError: it is something else.
        """
        value = self._get(name, default)
        if value != default and value not in allowed:
            raise self.wrong(name, " or ".join(map(str, allowed)))
        return value

    def wrong(self, name: str, allowed: str) -> UserError:
        """What to raise if a setting is not what is allowed."""
        return UserError(
            f"{self._where}: the config.json beside it has {self._path}{name} = "
            f"{reprlib.repr(self._tree.get(name))}; it must be {allowed}: give weights and config.json of "
            f"one CLIP"
        )

    def given(self, name: str) -> bool:
        """Whether a setting is there."""
        return self._tree.get(name) is not None

    def _get(self, name: str, default: Any) -> Any:
        return self._tree[name] if self.given(name) else default
