"""The config.json (or open_clip_config.json) beside a weights file, in which any value may be wrong."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hclip_jax.errors import UserError


@dataclass(frozen=True)
class HfConfig:
    """Checked fields of a config.json by dotted path, "text_config.hidden_act"; null counts as absent.

    Attributes:
        tree: the parsed JSON object; empty if there is no file.
        where: name of the weights file in messages.
        names: the file of each group of fields, config.json or open_clip_config.json.
    """

    tree: Mapping[str, Any]
    where: str
    names: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str, default: Any = None) -> Any:
        """Any value, or `default` if the field is absent; UserError if its group is not a JSON object."""
        group, _, name = path.rpartition(".")
        fields = self.get(group, {}) if group else self.tree
        if not isinstance(fields, Mapping):
            raise self.wrong(group, "a group of fields")
        value = fields.get(name)
        return default if value is None else value

    def count(self, path: str, default: int) -> int:
        """A whole number of 1 or more, or `default` if the field is absent; else UserError."""
        value = self.get(path, default)
        if type(value) is not int or value < 1:
            raise self.wrong(path, "a whole number of 1 or more")
        return value

    def choice(self, path: str, default: Any, allowed: tuple[Any, ...]) -> Any:
        """One of `allowed`, or `default` if the field is absent; else UserError."""
        value = self.get(path, default)
        if value != default and value not in allowed:
            raise self.wrong(path, " or ".join(map(str, allowed)))
        return value

    def wrong(self, path: str, allowed: str) -> UserError:
        """The error for a field that must be `allowed`."""
        name = self.names.get(path.partition(".")[0], "config.json")
        return UserError(
            f"{self.where}: {path} of the {name} beside it is {reprlib.repr(self.get(path))}; it must be "
            f"{allowed}: give weights and {name} of one CLIP"
        )
