"""OpenAI's CLIP in PyTorch, with the module and parameter names of its archives.

Runs in the environment of `make_clip_files.py`, not in that of hclip_jax.
"""

from collections import OrderedDict
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity import recipe

# OpenAI's pixel statistics, for pixels in 0..1.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Size:
    """Sizes of a CLIP. The number of heads is OpenAI's, width // 64, or 1 in narrower towers."""

    embed_dim: int
    image_size: int
    patch_size: int
    image_layers: int
    image_width: int
    text_layers: int
    text_width: int
    context_length: int = 77
    vocab_size: int = 49408


class LayerNorm(nn.LayerNorm):
    """Computes in float32 for any input dtype."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).type(x.dtype)


class QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    def __init__(self, width: int, causal: bool):
        super().__init__()
        self.causal = causal
        self.attn = nn.MultiheadAttention(width, max(1, width // 64), batch_first=True)
        self.ln_1 = LayerNorm(width)
        layers = (("c_fc", nn.Linear(width, 4 * width)), ("gelu", QuickGELU()))
        self.mlp = nn.Sequential(OrderedDict((*layers, ("c_proj", nn.Linear(4 * width, width)))))
        self.ln_2 = LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        mask, n = None, x.shape[1]
        if self.causal:
            mask = torch.full((n, n), float("-inf"), dtype=x.dtype).triu(1)
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, num_layers: int, width: int, causal: bool):
        super().__init__()
        self.resblocks = nn.Sequential(*(ResidualAttentionBlock(width, causal) for _ in range(num_layers)))

    def forward(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        return self.resblocks(x)


class VisualTransformer(nn.Module):
    def __init__(self, size: Size):
        super().__init__()
        width, num_tokens = size.image_width, 1 + (size.image_size // size.patch_size) ** 2
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty(num_tokens, width))
        self.proj = nn.Parameter(torch.empty(width, size.embed_dim))
        self.conv1 = nn.Conv2d(3, width, size.patch_size, size.patch_size, bias=False)
        self.ln_pre = LayerNorm(width)
        self.transformer = Transformer(size.image_layers, width, causal=False)
        self.ln_post = LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] -> [B, D_e]."""
        x = self.conv1(x).flatten(2).permute(0, 2, 1)
        first = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        x = torch.cat([first, x], 1) + self.positional_embedding.to(x.dtype)
        x = self.transformer(self.ln_pre(x))
        return self.ln_post(x[:, 0]) @ self.proj


class CLIP(nn.Module):
    """OpenAI's model. Three sizes are scalar buffers, as in its archives."""

    def __init__(self, size: Size):
        super().__init__()
        width = size.text_width
        self.positional_embedding = nn.Parameter(torch.empty(size.context_length, width))
        self.text_projection = nn.Parameter(torch.empty(width, size.embed_dim))
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.register_buffer("input_resolution", torch.tensor(size.image_size))
        self.register_buffer("context_length", torch.tensor(size.context_length))
        self.register_buffer("vocab_size", torch.tensor(size.vocab_size))
        self.visual = VisualTransformer(size)
        self.transformer = Transformer(size.text_layers, width, causal=True)
        self.token_embedding = nn.Embedding(size.vocab_size, width)
        self.ln_final = LayerNorm(width)

    def encode_image(self, image: Tensor) -> Tensor:
        """[B, 3, H, W], normalised -> [B, D_e]."""
        return self.visual(image.type(self.visual.conv1.weight.dtype))

    def encode_text(self, text: Tensor) -> Tensor:
        """Token ids [S, N] -> [S, D_e]."""
        dtype = self.visual.conv1.weight.dtype
        x = self.token_embedding(text).type(dtype) + self.positional_embedding.type(dtype)
        x = self.ln_final(self.transformer(x))
        return x[torch.arange(x.shape[0]), text.argmax(-1)] @ self.text_projection


# The module of the classes in OpenAI's archives.
for _class in (LayerNorm, QuickGELU, ResidualAttentionBlock, Transformer, VisualTransformer, CLIP):
    _class.__module__ = "multimodal.model.multimodal_transformer"


def fill_weights(model: Any, salt: int) -> Any:
    """Sets the weights of the parity cases' recipe and logit_scale 2.7, and evaluation mode."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.from_numpy(recipe.param(name, value.shape, salt=salt)))
            if name.endswith("logit_scale"):
                value.fill_(2.7)
    return model.eval()


def save_archive(model: CLIP, size: Size, path: Path) -> None:
    """Writes a TorchScript archive in OpenAI's format, and rounds `model` to the dtypes of the archive."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear, nn.MultiheadAttention)):
            module.half()
    for matrix in (model.visual.proj, model.text_projection):
        matrix.data = matrix.data.half()
    image = torch.zeros(1, 3, size.image_size, size.image_size)
    text = torch.arange(size.context_length)[None]
    inputs = {"encode_image": image, "encode_text": text}
    traced = BytesIO()
    torch.jit.save(torch.jit.trace_module(model, inputs, check_trace=False), traced)
    _copy_without_paths(traced, path)


def _copy_without_paths(archive: BytesIO, path: Path) -> None:
    """Copies a TorchScript archive without its debug records, which contain local paths."""
    archive.seek(0)
    reader, writer = torch._C.PyTorchFileReader(archive), torch._C.PyTorchFileWriter(str(path))
    for name in reader.get_all_records():
        if not name.endswith((".debug_pkl", "version", "byteorder", "serialization_id")):
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()


def preprocess(images: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] -> normalised float32 [B, 3, H, W]."""
    x = (torch.from_numpy(images) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    return x.permute(0, 3, 1, 2)


def features(model: Any, images: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Features of images and prompts by a model of OpenAI or OpenCLIP, in float32."""
    model = model.float()
    with torch.no_grad():
        image, text = model.encode_image(preprocess(images)), model.encode_text(torch.from_numpy(tokens))
    return {"image": image.numpy(), "text": text.numpy()}
