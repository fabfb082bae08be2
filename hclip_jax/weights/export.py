"""Exports CLIP with the adapters folded in, in our format and in those of other programs."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from hclip_jax.config.schema import ClipConfig, ImageTower, TextTower
from hclip_jax.errors import UserError
from hclip_jax.io.files import create_dir_atomically, write_atomically
from hclip_jax.models.hclip import Model
from hclip_jax.ops.backend import compiled_for
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.layouts import layout
from hclip_jax.weights.layouts.huggingface import huggingface_tensors
from hclip_jax.weights.layouts.openai import clip_tensors
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.safetensors_file import write_safetensors
from hclip_jax.weights.torch_zip.writer import write_torch


def merge_adapters(model: Checkpoint, dtype: np.dtype | None, keep_precision: bool) -> Checkpoint:
    """The same model without adapters: they are folded into CLIP's weights.

    Args:
        model: with or without adapters.
        dtype: dtype of all parameters of CLIP; None leaves each dtype unchanged.
        keep_precision: if `dtype` is None: whether parameters that the adapters change become float32.

    Returns:
        The merged model. Parameters that the adapters do not change are still lazy. Loading one raises
        UserError if a value is too large for its dtype.
    """
    params = dict(model.only("clip", "head").params)
    if model.spec is not None and "adapters" in model.parts:
        clip = {path: np.asarray(param, np.float32) for path, param in model.only("clip").params.items()}
        tree = unflatten_dict(clip, sep="/") | model.only("adapters").load_params()
        with compiled_for("cpu"):  # a file keeps float32, also where a training step rounds its kernels
            adapted = flatten_dict({"clip": jax.jit(Model(model.spec.architecture).adapt)(tree)}, sep="/")
        for path, before in clip.items():
            after = np.asarray(adapted[path])
            if not np.array_equal(after, before):
                default = np.dtype(np.float32) if keep_precision else params[path].dtype
                params[path] = _cast(path, LazyArray.of(after), default if dtype is None else dtype)
    if dtype is not None:
        for path, param in params.items():
            if path.startswith("clip/"):
                params[path] = _cast(path, param, dtype)
    return dataclasses.replace(model, params=params, source=f"{model.source}, merged")


def _cast(path: str, param: LazyArray, dtype: np.dtype) -> LazyArray:
    def load() -> np.ndarray:
        with np.errstate(over="ignore"):
            values = np.asarray(param).astype(dtype)
        if not np.isfinite(values).all():
            raise UserError(f"{path} holds values that are too large for {dtype}; give --dtype=float32")
        return values

    return LazyArray(param.shape, dtype, load)


def export_openai(target: Path, model: Checkpoint) -> None:
    """Writes CLIP with OpenAI's names, as a PyTorch state dict (.pt) or safetensors (any other suffix).

    Raises:
        UserError: `target` cannot be written.
    """
    tensors = layout.write(clip_tensors(model.clip), _load_clip(model))
    if target.suffix == ".pt":
        write_torch(target, tensors)
    else:
        write_safetensors(target, tensors, {"format": "pt"})


def export_huggingface(target: Path, model: Checkpoint) -> None:
    """Writes CLIP as a folder for `transformers.CLIPModel.from_pretrained`.

    Raises:
        UserError: `target` exists, or cannot be written.
    """
    tensors = layout.write(huggingface_tensors(model.clip), _load_clip(model))
    with create_dir_atomically(target) as folder:
        write_safetensors(folder / "model.safetensors", tensors, {"format": "pt"})
        config = json.dumps(_huggingface_config(model.clip), indent=2)
        write_atomically(folder / "config.json", f"{config}\n")


EXPORTS: dict[str, Callable[[Path, Checkpoint], None]] = {
    "model": save_model,
    "openai": export_openai,
    "huggingface": export_huggingface,
}
"""Writer of each `hclip merge --format`."""


def _load_clip(model: Checkpoint) -> dict[str, np.ndarray]:
    """CLIP in memory by path: each parameter is part of as many tensors as there are layers."""
    return {path: np.asarray(param) for path, param in model.only("clip").params.items()}


def _huggingface_config(clip: ClipConfig) -> dict[str, object]:
    def tower(t: ImageTower | TextTower) -> dict[str, object]:
        return {
            "hidden_size": t.width,
            "intermediate_size": round(t.mlp_ratio * t.width),
            "num_attention_heads": t.num_heads,
            "num_hidden_layers": t.num_layers,
            "hidden_act": clip.activation,
            "layer_norm_eps": 1e-5,
            "projection_dim": clip.embed_dim,
        }

    end_id = clip.text.vocab_size - 1
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": clip.embed_dim,
        "vision_config": {
            **tower(clip.image),
            "image_size": clip.image.image_size,
            "patch_size": clip.image.patch_size,
        },
        "text_config": {
            **tower(clip.text),
            "vocab_size": clip.text.vocab_size,
            "max_position_embeddings": clip.text.context_length,
            "bos_token_id": end_id - 1,
            "eos_token_id": end_id,
            "pad_token_id": 0,
        },
    }
