"""A configuration from a Python file and changes of its fields, as the command line gives them.

The form is that of ml_collections' config flags. Those answer a mistake with the exception of whatever
stumbled over it; here it reaches `config.py`, where every configuration error is one sentence.
"""

import ast
import runpy
from collections.abc import Sequence
from typing import Any

from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_dict
from hclip_jax.errors import UserError

_FLAG = "--config."


def read_config(file: str, changes: Sequence[str] = ()) -> Config:
    """Runs `get_config()` of a Python file, changes fields and checks the result.

    Args:
        file: path of the Python file; its `get_config()` returns an `ml_collections.ConfigDict`.
        changes: "--config.a.b=value" each. The value is a Python literal, `true`, `false` or a bare
            word; for a field that holds a text it is the text itself.

    Raises:
        UserError: the file cannot be run, a change is none, or what `config.from_dict` refuses.
    """
    tree = _run(file)
    for change in changes:
        _apply(change, tree)
    return from_dict(tree)


def _run(file: str) -> dict[str, Any]:
    try:
        return runpy.run_path(file)["get_config"]().to_dict()
    except Exception as error:  # a program may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"--config={file} cannot be used ({reason}); give a Python file whose get_config() returns "
            f"a ConfigDict"
        ) from error


def _apply(change: str, tree: dict[str, Any]) -> None:
    """Sets a field, even one that there is not: `config.from_dict` says best what is wrong with it."""
    path, equals, text = change.partition("=")
    if not equals or not path.startswith(_FLAG):
        raise UserError(
            f"{change!r} is not a flag; the flags are --config=FILE, --config.FIELD=VALUE, "
            f"--workdir=DIR and --mode=MODE (see --help)"
        )
    *groups, name = path.removeprefix(_FLAG).split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
        if not isinstance(tree, dict):
            raise UserError(f"{path} is not a field, because {group} holds {tree!r} and not fields")
    tree[name] = text if isinstance(tree.get(name), str) else _literal(text)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text
