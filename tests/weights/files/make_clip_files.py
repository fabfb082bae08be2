r"""Writes small weight files with the libraries of each format, and the features that the libraries compute.

Run with Python 3.11 in a separate environment, in the root of the repository:
    python -m venv torch_env
    torch_env/bin/pip install torch==2.13.0 torchvision==0.28.0 transformers==5.23.0 open_clip_torch==3.3.0 \
        safetensors==0.8.0 numpy==2.4.6    # torch and torchvision both for CPUs, or neither
    torch_env/bin/python -m tests.weights.files.make_clip_files

Weights are functions of their names (`tests/parity/recipe.py`). `outputs.npz` holds the common inputs, images
uint8 [2, H, W, 3] and tokens int64 [3, 16], and the features of each file by its library, pooled, projected,
not normalised, in float32: <file>/image [2, D_e] and <file>/text [3, D_e].
"""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.push_to_hf_hub import save_for_hf
from torch import nn
from transformers import CLIPConfig, CLIPModel

from tests.parity import recipe
from tests.weights.files.openai_clip import (
    CLIP,
    MEAN,
    STD,
    Size,
    features,
    fill_weights,
    preprocess,
    save_archive,
)
from tests.weights.files.segmenter_checkpoints import catseg, hclip

FOLDER = Path(__file__).parent
START, END, CONTEXT_LENGTH, VOCAB_SIZE = 62, 63, 16, 64
IMAGES = recipe.uniform_uint8("images", (2, 16, 16, 3))
TOKENS = np.zeros((3, CONTEXT_LENGTH), np.int64)
for row, ids in zip(TOKENS, ((5, 9), (41, 2, 61, 17, 33), tuple(range(1, 15))), strict=True):
    row[: len(ids) + 2] = (START, *ids, END)

Features = dict[str, np.ndarray]


def main() -> None:
    """Writes all files."""
    outputs: dict[str, Any] = {"images": IMAGES, "tokens": TOKENS}
    for name, result in (
        ("openai", openai()),
        ("huggingface", huggingface("huggingface", "quick_gelu", (2, 1), num_heads=1, end_id=END)),
        ("huggingface_bin", huggingface("huggingface_bin", "gelu", (1, 1), num_heads=2, end_id=2)),
        ("open_clip", openclip()),
        ("open_clip_text", openclip_text()),
        ("epoch_1", openclip_epoch()),
        *segmenters().items(),
    ):
        outputs |= {f"{name}/{kind}": value for kind, value in result.items()}
    np.savez_compressed(FOLDER / "outputs.npz", **outputs)


def openai() -> Features:
    """openai.pt: an archive in OpenAI's format."""
    size = Size(6, 16, 4, 1, 8, 1, 4, CONTEXT_LENGTH, VOCAB_SIZE)
    model = fill_weights(CLIP(size), salt=1)
    save_archive(model, size, FOLDER / "openai.pt")
    return features(model, IMAGES, TOKENS)


def huggingface(
    name: str, activation: str, num_layers: tuple[int, int], num_heads: int, end_id: int
) -> Features:
    """A folder of transformers: safetensors, or the older pickle with its integer buffers."""
    tower = {"hidden_act": activation, "num_attention_heads": num_heads, "projection_dim": 6}
    vision = {"num_hidden_layers": num_layers[0], "hidden_size": 8, "intermediate_size": 32}
    vision |= {"image_size": 16, "patch_size": 4}
    text = {"num_hidden_layers": num_layers[1], "hidden_size": 4, "intermediate_size": 16}
    text |= {"max_position_embeddings": CONTEXT_LENGTH, "vocab_size": VOCAB_SIZE}
    text |= {"bos_token_id": START, "eos_token_id": end_id, "pad_token_id": 0}
    config = CLIPConfig(vision_config=tower | vision, text_config=tower | text, projection_dim=6)
    model = fill_weights(CLIPModel(config), salt=2)
    save = save_huggingface_bin if name.endswith("bin") else CLIPModel.save_pretrained
    save(model, FOLDER / name)
    return huggingface_features(model, IMAGES, TOKENS)


def save_huggingface_bin(model: CLIPModel, folder: Path) -> None:
    """Writes the format of older versions of transformers: a pickle with the position ids."""
    for tower in (model.text_model, model.vision_model):
        tower.embeddings._non_persistent_buffers_set.clear()
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def huggingface_features(model: CLIPModel, images: np.ndarray, tokens: np.ndarray) -> Features:
    """Pooled and projected features by transformers."""
    with torch.no_grad():
        image = model.get_image_features(preprocess(images)).pooler_output
        text = model.get_text_features(torch.from_numpy(tokens)).pooler_output
    return {"image": image.numpy(), "text": text.numpy()}


def openclip_config(image_layers: int, text_layers: int) -> dict[str, Any]:
    """A new configuration for each call, because OpenCLIP modifies its argument."""
    vision = {"image_size": 16, "layers": image_layers, "width": 8, "head_width": 4, "patch_size": 4}
    text = {"context_length": CONTEXT_LENGTH, "vocab_size": VOCAB_SIZE, "width": 4, "heads": 2}
    text["layers"] = text_layers
    return {"embed_dim": 6, "vision_cfg": vision, "text_cfg": text}


def openclip() -> Features:
    """open_clip: both files that OpenCLIP uploads to a repository."""
    model = fill_weights(open_clip.CLIP(**openclip_config(1, 1)), salt=3)
    save_openclip(model, openclip_config(1, 1), FOLDER / "open_clip", "both")
    return features(model, IMAGES, TOKENS)


def openclip_text() -> Features:
    """open_clip_text: a model whose text tower is a separate module."""
    model = fill_weights(open_clip.CustomTextCLIP(**openclip_config(1, 2)), salt=4)
    save_openclip(model, openclip_config(1, 2) | {"custom_text": True}, FOLDER / "open_clip_text", True)
    return features(model, IMAGES, TOKENS)


def save_openclip(model: Any, config: dict[str, Any], folder: Path, kinds: bool | str) -> None:
    """Saves with OpenCLIP's writer, without a tokenizer."""
    model.visual.image_mean, model.visual.image_std = MEAN, STD
    tokenizer = SimpleNamespace(save_pretrained=lambda folder: None)
    save_for_hf(model, tokenizer, config, str(folder), safe_serialization=kinds)


def openclip_epoch() -> Features:
    """epoch_1.pt: a checkpoint of OpenCLIP's training after one update of one parameter."""
    model = fill_weights(open_clip.CLIP(**openclip_config(1, 1)), salt=5)
    optimizer = _update(model, model.logit_scale)
    checkpoint = {
        "epoch": 1,
        "name": "small",
        "state_dict": nn.DataParallel(model).state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(checkpoint, FOLDER / "epoch_1.pt")
    return features(model, IMAGES, TOKENS)


def segmenters() -> dict[str, Features]:
    """catseg.pth and hclip.pth; the latter with the features of the frozen and of the adapted CLIP."""
    size = Size(6, 16, 4, 2, 8, 2, 4, CONTEXT_LENGTH, VOCAB_SIZE)
    outputs = {}
    clip = fill_weights(CLIP(size), salt=6)
    _save_detectron(catseg(clip, size), "catseg.pth")
    outputs["catseg"] = features(clip, IMAGES, TOKENS)

    clip = fill_weights(CLIP(size), salt=7)
    outputs["hclip_frozen"] = features(clip, IMAGES, TOKENS)
    _save_detectron(hclip(clip, size, block_size=4), "hclip.pth")
    outputs["hclip"] = features(clip, IMAGES, TOKENS)
    return outputs


def _save_detectron(model: nn.Module, name: str) -> None:
    """Saves in the format of detectron2's checkpointer, after one step."""
    optimizer = _update(model, model.get_parameter("sem_seg_head.predictor.transformer.head.bias"))
    trainer = {
        "iteration": 0,
        "hooks": {"LRScheduler": {"base_lrs": [2e-4], "last_epoch": 1}},
        "_trainer": {"iteration": 0, "optimizer": optimizer.state_dict()},
    }
    torch.save({"model": model.state_dict(), "trainer": trainer, "iteration": 0}, FOLDER / name)


def _update(model: nn.Module, parameter: nn.Parameter) -> torch.optim.Optimizer:
    """Updates one parameter once; returns the optimizer, which has all parameters."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
    main()
