"""Keys of checkpoints and prefixes of names that programs wrap round the weights of a CLIP."""

import re
import warnings
from collections.abc import Mapping
from typing import Any

from hclip_jax.errors import UserError, some
from hclip_jax.weights.layouts.hclip import CLIP_PREFIX
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.torch_zip.reader import tensors_by_name

# Keys of the state dict in training checkpoints, the first of them first: detectron2, OpenCLIP and Lightning,
# PyTorch's tutorials, timm (the exponential moving averages).
_STATE_DICT_KEYS = ("model", "state_dict", "model_state_dict", "state_dict_ema", "model_ema")

# Modules that torch.compile, DataParallel and FSDP put round any layer.
_LAYER_WRAPPERS = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

# Attributes in which other models hold a CLIP, before the one name that each format has.
_MODEL_PREFIX = re.compile(
    r"((?:(?:model|clip|clip_model)\.)*)"
    rf"(?:{re.escape(CLIP_PREFIX)})?(?:visual\.class_embedding|vision_model\.embeddings\.patch_embedding\.weight)"
)


def find_state_dict(content: Any, where: str) -> tuple[Any, str]:
    """The state dict in a training checkpoint; warns if there are others.

    Args:
        content: content of a PyTorch file.
        where: name of the file in the warning.

    Returns:
        The state dict, and which one it is: "" for the content itself, or such as
        '["state_dict"] (not ["state_dict_ema"])'.
    """
    origin = ""
    while isinstance(content, dict):
        found = [k for k in _STATE_DICT_KEYS if isinstance(content.get(k), dict) and _has_tensors(content[k])]
        if not found:
            break
        key, *others = found
        content = content[key]
        origin += f'["{key}"]'
        if others:
            rest = ", ".join(others)
            origin += f" (not {rest})"
            message = f"{where}: {key} is read, and {rest} is not; save one of them in a file to choose"
            warnings.warn(message, stacklevel=2)
    return content, origin


def unwrap(tensors: Mapping[str, LazyArray], where: str) -> tuple[dict[str, LazyArray], str]:
    """Removes the prefixes of wrappers from names, and gives `logit_scale` of shape (1,) the shape ().

    Args:
        tensors: name -> array.
        where: name of the file in messages.

    Returns:
        The arrays, and the prefix of the model that was removed, such as "model.clip.".

    Raises:
        UserError: the file holds several CLIPs, or two names are the same without their wrappers.
    """
    names = {name: ".".join(p for p in name.split(".") if p not in _LAYER_WRAPPERS) for name in tensors}
    matches = map(_MODEL_PREFIX.fullmatch, names.values())
    prefixes = {match[1] for match in matches if match}
    if len(prefixes) > 1:
        listed = some(repr(prefix) for prefix in sorted(prefixes))
        raise UserError(
            f"{where} holds several CLIPs, whose names have the prefixes {listed}; save one of them in a file"
        )
    prefix = prefixes.pop() if prefixes else ""
    result: dict[str, LazyArray] = {}
    for name, tensor in tensors.items():
        short = names[name].removeprefix(prefix)
        if short in result:
            raise UserError(
                f"{where} holds two tensors that are {short} without the names of wrappers; save one model "
                f"in a file"
            )
        result[short] = _as_scalar(tensor) if short.endswith("logit_scale") else tensor
    return result, prefix


def _has_tensors(tree: dict) -> bool:
    return bool(tensors_by_name(tree))


def _as_scalar(tensor: LazyArray) -> LazyArray:
    if tensor.shape != (1,):
        return tensor
    return LazyArray((), tensor.dtype, lambda: tensor.load().reshape(()))
