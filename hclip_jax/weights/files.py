"""Arrays by name from a weights file. No code of the file is ever run."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from hclip_jax.errors import UserError


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a safetensors file: name -> array.

    Raises:
        UserError: the file is missing, of another kind, or broken.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file; give the path of a safetensors file of CLIP weights")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as safetensors ({error}); give a safetensors file, whole"
        ) from error
