"""HCLIP_JAX_DATA: the folder of the data sets that `hclip prepare` made, given once."""

import os

from hclip_jax.errors import UserError

VARIABLE = "HCLIP_JAX_DATA"
SCHEME = "tfds:"


def data_folder() -> str:
    """The folder or address in HCLIP_JAX_DATA; "" if it is not set."""
    return os.environ.get(VARIABLE, "").strip()


def resolve_root(root: str, folder: str = "") -> str:
    """Returns the path of a root: `tfds:NAME` is HCLIP_JAX_DATA/NAME; other roots are paths.

    Args:
        root: the root.
        folder: in place of HCLIP_JAX_DATA, if there is one.

    Raises:
        UserError: the variable is not set, or NAME is empty or a path.
    """
    if not root.startswith(SCHEME):
        return root
    name = root.removeprefix(SCHEME)
    if not name or "/" in name or name.startswith("."):
        raise UserError(f"the data root {root} must be {SCHEME}NAME, a folder of {VARIABLE}")
    folder = folder or data_folder()
    if not folder:
        raise UserError(
            f"the data root is {root}, but the environment variable {VARIABLE} is not set: set it to the "
            f"--target of hclip prepare (export {VARIABLE}=DIR), or give the path of the set as the root"
        )
    return below(folder, name)


def below(folder: str, name: str) -> str:
    """The path of a set below a folder or address."""
    return f"{folder.rstrip('/')}/{name}"
