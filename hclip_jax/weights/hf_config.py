"""The config.json (or open_clip_config.json) beside a weights file, in which any value may be wrong."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hclip_jax.errors import UserError


@dataclass(frozen=True)
class HfConfig:
    """Checked access to the fields of a parsed config.json by dotted path, "text_config.hidden_act".

    Attributes:
        tree: the parsed JSON object; empty if there is no file.
        where: name of the weights file in messages.
    """

    tree: Mapping[str, Any]
    where: str

    def get(self, path: str) -> Any:
        """The value of a field; None if it, or a group that contains it, is absent or null.

        Raises:
            UserError: a group that contains it is not a JSON object.
        """
        value: Any = self.tree
        group, _, name = path.rpartition(".")
        if group:
            value = self.get(group)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(group, "a group of fields")
        return value.get(name)

    def count(self, path: str, default: int) -> int:
        """A whole number of 1 or more; `default` if the field is absent or null.

        Raises:
            UserError: the value is something else.
        """
        value = self.get(path)
        if value is None:
            return default
        if type(value) is not int or value < 1:
            raise self.wrong(path, "a whole number of 1 or more")
        return value

    def choice(self, path: str, default: Any, allowed: tuple[Any, ...]) -> Any:
        """One of `allowed`; `default` if the field is absent or null.

        Raises:
            UserError: the value is something else.
        """
        value = self.get(path)
        if value is None:
            return default
        if value not in allowed:
            raise self.wrong(path, " or ".join(map(str, allowed)))
        return value

    def wrong(self, path: str, allowed: str) -> UserError:
        """The error for a field that has another value than `allowed`."""
        return UserError(
            f"{self.where}: the config.json beside it has {path} = {reprlib.repr(self.get(path))}; it must be "
            f"{allowed}: give weights and config.json of one CLIP"
        )
