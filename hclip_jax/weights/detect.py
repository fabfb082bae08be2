"""Detects which model a file of other programs holds, from the names and shapes of its tensors."""

import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from hclip_jax.config.adapters import HClipConfig
from hclip_jax.config.schema import (
    Activation,
    Architecture,
    ClipConfig,
    HeadConfig,
    ImageTower,
    ModelConfig,
    PromptConfig,
    TextTower,
)
from hclip_jax.errors import UserError, some
from hclip_jax.weights import reference_defaults
from hclip_jax.weights.hf_config import HfConfig
from hclip_jax.weights.layouts import hclip, openai
from hclip_jax.weights.layouts.huggingface import huggingface_tensors
from hclip_jax.weights.layouts.layout import Tensor
from hclip_jax.weights.weight_file import WeightFile

# Its name table has one tensor for each path of CLIP, of layer 0 for the blocks.
_ONE_LAYER = ClipConfig("", 1, "gelu", ImageTower(1, 1, 1, 1.0, 1, 1), TextTower(1, 1, 1, 1.0, 1, 1))
_ACTIVATIONS: tuple[Activation, ...] = ("quick_gelu", "gelu")


class DetectedFormat(NamedTuple):
    """The format and the model of a file."""

    kind: str  # for people
    clip: ClipConfig
    architecture: Architecture | None  # None: CLIP alone
    tensors: list[Tensor]  # name table
    is_buffer: Callable[[str], bool]
    activation_assumed: bool  # neither the file nor the caller states it


class _Stated(NamedTuple):
    """Properties that no shape shows, as far as the file or its config.json states them; else "" and 0."""

    activation: Activation | str = ""
    image_heads: int = 0
    text_heads: int = 0


def detect_format(file: WeightFile, like: ClipConfig | None = None, activation: str = "") -> DetectedFormat:
    """Detects format, sizes, heads and activation.

    Args:
        file: the file.
        like: a CLIP that has the activation, and the heads of towers of the same width, where neither the
            file nor its config.json states them.
        activation: "quick_gelu" or "gelu", used in the same case.

    Raises:
        UserError: the format is unknown, a tensor that determines a size is missing, or config.json has a
            value that is not allowed.
    """
    shapes = _Shapes({name: tensor.shape for name, tensor in file.tensors.items()}, str(file.path))
    config = HfConfig(file.hf_config, shapes.where)
    if f"{hclip.CLIP_PREFIX}visual.class_embedding" in file.tensors:
        layout, default = functools.partial(openai.clip_tensors, prefix=hclip.CLIP_PREFIX), "quick_gelu"
        kind, stated = "", _Stated()
    elif "vision_model.embeddings.patch_embedding.weight" in file.tensors:
        kind, layout, default = "Hugging Face's CLIP", huggingface_tensors, "quick_gelu"
        stated = _stated_by_transformers(config)
    elif "visual.class_embedding" in file.tensors:  # absent in CLIP's ResNets
        ...
