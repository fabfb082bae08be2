"""Which files of a repository a model needs."""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from hclip_jax.errors import UserError, printable, some
from hclip_jax.weights.sharded import INDEX_SUFFIX
from hclip_jax.weights.weight_file import CONFIG_NAMES, WEIGHT_NAMES

_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")


def choose_files(path: str, present: Collection[str], where: str) -> tuple[str, ...]:
    """Chooses the weights and the configuration files beside them, and nothing else.

    Args:
        path: a file or folder in the repository; "" for its root.
        present: the paths of all its files.
        where: name of the repository in messages.

    Returns:
        The paths of the files, weights first.

    Raises:
        UserError: there is no such file, or the folder has no weights under a usual name.
    """
    folder = str(PurePosixPath(path).parent) if path in present else path
    beside = {
        name.removeprefix(f"{folder}/"): name
        for name in present
        if folder in ("", ".") or name.startswith(f"{folder}/")
    }
    if path in present:
        weights = PurePosixPath(path).name
    elif path and not beside:
        raise UserError(f"{where} has no '{printable(path)}'; it has {_listed(present)}")
    else:
        usual = [name for name in WEIGHT_NAMES if name in beside]
        if not usual:
            raise UserError(
                f"{where}{path and f'/{path}'} has none of {', '.join(WEIGHT_NAMES)}; add the file to the "
                f"name: it has {_listed(beside)}"
            )
        weights = usual[0]
    names = [weights, *_shards(weights, beside), *(name for name in CONFIG_NAMES if name in beside)]
    return tuple(beside[name] for name in dict.fromkeys(names))


def _shards(index: str, beside: Collection[str]) -> list[str]:
    """The files of an index, by their names: model-00001-of-00002.safetensors of model.safetensors."""
    if not index.endswith(INDEX_SUFFIX):
        return []
    stem, _, suffix = index.removesuffix(INDEX_SUFFIX).rpartition(".")
    pattern = re.compile(rf"{re.escape(stem)}-\d+-of-\d+\.{re.escape(suffix)}")
    return sorted(name for name in beside if pattern.fullmatch(name))


def _listed(present: Collection[str]) -> str:
    """The weights of a repository, or all its files if it has none."""
    weights = sorted(name for name in present if name.endswith(_WEIGHTS))
    return some(map(printable, weights or sorted(present))) or "no files"
