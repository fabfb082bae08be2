"""Models for other programs: adapters folded into CLIP, names and layout as theirs."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hclip_jax.config.schema import ClipConfig, ImageTower, TextTower
from hclip_jax.errors import UserError
from hclip_jax.io.files import create_dir_atomically, write_atomically
from hclip_jax.models.hclip import Model
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.layouts.huggingface import huggingface_tensors
from hclip_jax.weights.layouts.layout import flatten, unflatten, write
from hclip_jax.weights.layouts.openai import clip_tensors
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.model_directory import save_model
from hclip_jax.weights.safetensors_file import write_safetensors
from hclip_jax.weights.torch_zip.writer import write_torch


def merged(model: Checkpoint, dtype: np.dtype | None, keep_precision: bool) -> Checkpoint:
    """The same model without adapters: CLIP's weights are what the adapters make of them.

    Args:
        model: with or without adapters.
        dtype: of all floating-point leaves of CLIP; None leaves them as they are.
        keep_precision: where `dtype` is None, leaves that the adapters change are float32.

    Returns:
        The merged model, on whose leaves nothing has been computed that the adapters do not change. Loading
        one raises UserError if its values are too large for its dtype.
    """
    leaves = dict(model.only("clip", "head").params)
    if model.spec is not None and "adapters" in model.parts:
        clip = {path: np.asarray(leaf, np.float32) for path, leaf in model.only("clip").params.items()}
        params = unflatten(clip) | model.only("adapters").load_params()
        adapted = flatten({"clip": jax.jit(Model(model.spec.architecture).adapt)(params)})
        for path, before in clip.items():
            after = np.asarray(adapted[path])
            if not np.array_equal(after, before):
                own = np.dtype(np.float32) if keep_precision else leaves[path].dtype
                leaves[path] = _cast(path, LazyArray.of(after), own if dtype is None else dtype)
    if dtype is not None:
        for path, leaf in leaves.items():
            if path.startswith("clip/"):
                leaves[path] = _cast(path, leaf, dtype)
    return dataclasses.replace(model, params=leaves, source=f"{model.source}, merged")


def _cast(path: str, leaf: LazyArray, dtype: np.dtype) -> LazyArray:
    def load() -> np.ndarray:
        with np.errstate(over="ignore"):
            values = np.asarray(leaf).astype(dtype)
        if not np.isfinite(values).all():
            raise UserError(f"{path} holds values that are too large for {dtype}; give --dtype=float32")
        return values

    return LazyArray(leaf.shape, dtype, load)


def export_openai(target: Path, model: Checkpoint) -> None:
    """Writes CLIP with OpenAI's names, as a PyTorch state dict (.pt) or safetensors.

    Raises:
        UserError: `target` has another suffix, exists, or cannot be written.
    """
    if target.exists():
        raise UserError(f"{target} exists already; give another target, or remove it first")
    file = write(clip_tensors(model.clip), _in_memory(model))
    if target.suffix == ".pt":
        write_torch(target, file)
    elif target.suffix == ".safetensors":
        write_safetensors(target, file, {"format": "pt"})
    else:
        raise UserError(
            f"{target.name} has the suffix {target.suffix!r}; OpenAI's names go to .pt or .safetensors"
        )


def export_huggingface(target: Path, model: Checkpoint) -> None:
    """Writes CLIP as a folder that `transformers.CLIPModel.from_pretrained` reads.

    Raises:
        UserError: `target` exists, or cannot be written.
    """
    file = write(huggingface_tensors(model.clip), _in_memory(model))
    with create_dir_atomically(target) as folder:
        write_safetensors(folder / "model.safetensors", file, {"format": "pt"})
        settings = json.dumps(_huggingface_config(model.clip), indent=2)
        write_atomically(folder / "config.json", f"{settings}\n")


def _in_memory(model: Checkpoint) -> Any:
    """Our tree of CLIP, read once: each of its leaves is a part of as many tensors as there are layers."""
    return unflatten({path: np.asarray(leaf) for path, leaf in model.only("clip").params.items()})


EXPORTS: dict[str, Callable[[Path, Checkpoint], None]] = {
    "model": save_model,
    "openai": export_openai,
    "huggingface": export_huggingface,
}


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

    end = clip.text.vocab_size - 1
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
            "bos_token_id": end - 1,
            "eos_token_id": end,
            "pad_token_id": 0,
        },
    }
