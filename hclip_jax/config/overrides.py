"""A configuration from a Python file and changes of its fields, as the command line gives them.

The form is that of ml_collections' config flags. Those answer a mistake with whatever exception it ends
in; here it reaches `build.py` and `validate.py`, whose errors are one sentence each.
"""

import ast
import dataclasses
import importlib.resources
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hclip_jax.config.adapters import METHODS
from hclip_jax.config.build import shown, to_dict
from hclip_jax.config.schema import Config
from hclip_jax.config.validate import from_dict
from hclip_jax.errors import UserError, printable

_FLAG = "--config."
_SCENES = "scenes"  # the root of the built-in scenes, as in `data.sources`


def read_config(config: str, changes: Sequence[str] = ()) -> Config:
    """Runs `get_config()` of a configuration, changes fields and checks the result.

    Args:
        config: the name of a configuration that comes with the package, such as "tiny"; or the path of a
            Python file, whose `get_config()` returns an `ml_collections.ConfigDict`.
        changes: "--config.a.b=value" each. The value is a Python literal, `true`, `false` or a bare word;
            for a field that holds a string it is the string itself. "--config.evaluation.sets.NAME=None"
            leaves an evaluation set out.

    Evaluation sets of the built-in scenes are left out if the training data is another and no change names
    them.

    Raises:
        UserError: the file cannot be run, a change has another form, or `validate.from_dict` refuses.
    """
    tree = _run(config, config_path(config))
    return from_dict(_without_scenes(_changed(tree, changes), changes))


def apply_overrides(tree: dict[str, Any], changes: Sequence[str]) -> Config:
    """Changes fields of a configuration and checks the result.

    Args:
        tree: plain nested dicts, as `build.to_dict` returns them; modified in place.
        changes: as in `read_config`; the last one of a field counts.

    Raises:
        UserError: a change has another form, or `validate.from_dict` refuses.
    """
    return from_dict(_changed(tree, changes))


def _changed(tree: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    last = {change.partition("=")[0]: i for i, change in enumerate(changes)}
    changes = [changes[i] for i in sorted(last.values())]
    # First those that change other fields, which changes of these fields follow.
    first = (f"{_FLAG}adapters.method=", f"{_FLAG}start=")
    for change in sorted(changes, key=lambda change: not change.startswith(first)):
        _apply(change, tree)
    return tree


def config_path(config: str) -> Path:
    """The Python file of a configuration, by its name or path, see `read_config`.

    Raises:
        UserError: there is no such file.
    """
    path, built_in = Path(config), importlib.resources.files("hclip_jax.configs")
    if config.isidentifier() and not config.startswith("_") and not path.is_file():
        path = Path(str(built_in / f"{config}.py"))
    if not path.is_file():
        names = sorted(Path(str(file)).stem for file in built_in.iterdir() if file.name.endswith(".py"))
        raise UserError(
            f"--config={config} does not exist; give a Python file with get_config(), or one of "
            f"{', '.join(name for name in names if name != '__init__')}"
        )
    return path


def _run(config: str, file: Path) -> dict[str, Any]:
    try:
        return runpy.run_path(str(file))["get_config"]().to_dict()
    except (Exception, SystemExit) as error:  # a program may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"--config={config} cannot be used ({reason}); give a Python file whose get_config() returns "
            f"a ConfigDict"
        ) from error


def _apply(change: str, tree: dict[str, Any]) -> None:
    """Sets a field, even an unknown one: `build.build` says best what is wrong with it."""
    path, equals, text = change.partition("=")
    if not equals or not path.startswith(_FLAG):
        raise UserError(f"'{printable(change)}' is not an override; give {_FLAG}FIELD=VALUE")
    if path == f"{_FLAG}adapters.method" and isinstance(tree.get("adapters"), dict):
        tree["adapters"] = switch_method(tree["adapters"], text)
        return
    if path == f"{_FLAG}start" and text and isinstance(tree.get("clip"), dict):
        tree["clip"]["weights"] = ""  # CLIP is that of the start
    *groups, name = path.removeprefix(_FLAG).split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
        if not isinstance(tree, dict):
            raise UserError(
                f"{printable(path)} is not a field, because {printable(group)} holds {shown(tree)} and not "
                f"fields"
            )
    if groups == ["evaluation", "sets"] and text == "None":
        _drop_set(tree, name)
    else:
        tree[name] = text if isinstance(tree.get(name), str) else _literal(text)


def _drop_set(sets: dict[str, Any], name: str) -> None:
    if name not in sets:
        raise UserError(
            f"config.evaluation.sets has no {printable(name)} to leave out; it has "
            f"{', '.join(map(str, sets)) or 'none'}"
        )
    del sets[name]


def _without_scenes(tree: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Leaves out evaluation sets of the built-in scenes in a training on other data."""
    data, evaluation = tree.get("data"), tree.get("evaluation")
    sets = evaluation.get("sets") if isinstance(evaluation, dict) else None
    if not isinstance(data, dict) or not isinstance(sets, dict) or data.get("root") == _SCENES:
        return tree  # from_dict says what is wrong
    for name, entry in list(sets.items()):
        is_named = any(change.startswith(f"{_FLAG}evaluation.sets.{name}.") for change in changes)
        if isinstance(entry, dict) and entry.get("root") == _SCENES and not is_named:
            del sets[name]
    return tree


def switch_method(adapters: dict[str, Any], method: str) -> dict[str, Any]:
    """The fields of `config.adapters` for another tuning method.

    It starts from its own defaults. What the configuration changed from the defaults of its method is kept
    where the other one has that field.
    """
    old, new = METHODS.get(str(adapters.get("method"))), METHODS.get(method)
    if old is None or new is None:
        return {**adapters, "method": method}
    defaults, fields = to_dict(old()), {field.name for field in dataclasses.fields(new)}
    kept = {
        name: value
        for name, value in adapters.items()
        # An unknown field stays, to be refused.
        if name not in defaults or (name in fields and _plain(value) != defaults[name])
    }
    return {**kept, "method": method}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # the last two: nested too deeply
        return text
