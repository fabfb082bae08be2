"""Models with the parameter names of the published CAT-Seg and H-CLIP, for `make_clip_files.py`."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tests.parity import recipe
from tests.weights.files.openai_clip import CLIP, Size

_PREDICTOR = "sem_seg_head.predictor."
# The head, in the terms of `HeadConfig`.
_HIDDEN_DIM, _GUIDANCE_DIM, _NUM_LAYERS, _WINDOW_SIZE, _GRID_SIZE = 8, 4, 1, 2, 4
_DECODER_DIMS, _DECODER_GUIDANCE_DIMS, _DECODER_GUIDANCE_PROJ_DIMS = (6, 4), (4, 3), (3, 2)


def catseg(clip: CLIP, size: Size) -> nn.Module:
    """CAT-Seg: q, k and v of CLIP have separate weights and one bias."""
    tensors: dict[str, Tensor] = {}
    for name, value in clip.named_parameters():
        if name.endswith("in_proj_weight"):
            for kind, part in zip("qkv", value.chunk(3), strict=True):
                tensors[name.replace("in_proj", f"{kind}_proj")] = nn.Parameter(part.clone())
        else:
            tensors[name] = value
    return _model(tensors, size)


def hclip(clip: CLIP, size: Size, block_size: int) -> nn.Module:
    """H-CLIP: every block of both towers holds the three shared parts of the adapters.

    Folds the adapters into `clip`.
    """
    tensors: dict[str, Tensor] = {name: nn.Parameter(p.clone()) for name, p in clip.named_parameters()}
    num_layers = size.image_layers
    text_blocks, rows = size.text_width // block_size, 4 * num_layers
    num_blocks = text_blocks + size.image_width // block_size
    shapes = {"layer_R": (block_size, block_size, rows, num_blocks), "relation_l_R.weight": (rows, rows)}
    shapes |= {f"relation_m_R.{i}.weight": (num_blocks, num_blocks) for i in range(num_layers)}
    shared = {
        f"attn_q_proj_oft_{name}": _parameter(f"oft_{name.removesuffix('.weight')}", shape, text_blocks)
        for name, shape in shapes.items()
    }
    for tower, oft, width in (("visual.", "oft_vision", size.image_width), ("", "oft", size.text_width)):
        for i in range(num_layers):
            block = f"{tower}transformer.resblocks.{i}."
            tensors |= {block + name: value for name, value in shared.items()}
            for target in ("qkv", "out"):
                for name in ("cross_attention_dim", "hidden_size"):
                    tensors[f"{block}to_{target}_{oft}.{name}"] = torch.tensor(width)
    with torch.no_grad():
        _rotate(clip, *shared.values(), text_blocks=text_blocks)
    return _model(tensors, size)


def _rotate(clip: CLIP, r: Tensor, relation: Tensor, *modality: Tensor, text_blocks: int) -> None:
    """Multiplies CLIP's attention matrices by the blocks of the adapters, layer by layer."""
    for i, layer_modality in enumerate(modality):
        mixed = torch.einsum("as,ik,xysk->aixy", relation, layer_modality, r)[4 * i : 4 * i + 4]
        skew = (mixed - mixed.mT)[:, :text_blocks] / 2
        identity = torch.eye(r.shape[0])
        text = (identity - skew) @ torch.linalg.inv(identity + skew)
        for tower, blocks in ((clip.transformer, text), (clip.visual.transformer, mixed[:, text_blocks:])):
            q, k, v, out = (torch.block_diag(*matrix) for matrix in blocks)
            attention = tower.resblocks[i].attn
            parts = zip(attention.in_proj_weight.chunk(3), (q, k, v), strict=True)
            attention.in_proj_weight.copy_(torch.cat([weight @ matrix for weight, matrix in parts]))
            attention.out_proj.weight.copy_(out @ attention.out_proj.weight)


def _model(clip: dict[str, Tensor], size: Size) -> nn.Module:
    tensors = {f"{_PREDICTOR}clip_model.{name}": value for name, value in clip.items()}
    for name, shape in _head(size):
        if name.endswith("attn_mask"):
            tensors[name] = torch.where(torch.from_numpy(recipe.normal(name, shape)) > 0, 0.0, -100.0)
        else:
            tensors[name] = _parameter(name, shape)
    return _tree(tensors)


def _tree(tensors: dict[str, Tensor]) -> nn.Module:
    """Nested modules whose parameters and buffers have the given dotted names."""
    root = nn.Module()
    for name, value in tensors.items():
        *path, attribute = name.split(".")
        module: Any = root
        for child in path:
            if child not in module._modules:
                module.add_module(child, nn.Module())
            module = module._modules[child]
        register = module.register_parameter if isinstance(value, nn.Parameter) else module.register_buffer
        register(attribute, value)
    return root


def _parameter(name: str, shape: tuple[int, ...], text_blocks: int = 0) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(recipe.param(name, shape, text_blocks)))


def _head(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the head."""
    c, g, name = _HIDDEN_DIM, _GUIDANCE_DIM, f"{_PREDICTOR}transformer."
    guided, square, fc1, fc2 = (c, c + g), (c, c), (4 * c, c), (c, 4 * c)
    for i in range(_NUM_LAYERS):
        swin, attention = f"{name}layers.{i}.swin_block.", f"{name}layers.{i}.attention."
        for block in (f"{swin}block_1.", f"{swin}block_2."):
            if block.endswith("2."):
                yield (
                    f"{block}attn_mask",
                    ((_GRID_SIZE // _WINDOW_SIZE) ** 2, _WINDOW_SIZE**2, _WINDOW_SIZE**2),
                )
            yield from _layer(f"{block}norm1", c)
            for kind, shape in (("q", guided), ("k", guided), ("v", square), ("proj", square)):
                yield from _layer(f"{block}attn.{kind}", *shape)
            yield from _layer(f"{block}norm2", c)
            yield from _layer(f"{block}mlp.fc1", *fc1)
            yield from _layer(f"{block}mlp.fc2", *fc2)
        yield from _layer(f"{swin}guidance_norm", g)
        yield f"{attention}padding_tokens", (1, 1, c)
        yield f"{attention}padding_guidance", (1, 1, g)
        for kind, shape in (("q", guided), ("k", guided), ("v", square)):
            yield from _layer(f"{attention}attention.{kind}", *shape)
        yield from _layer(f"{attention}MLP.0", *fc1)
        yield from _layer(f"{attention}MLP.2", *fc2)
        yield from _layer(f"{attention}norm1", c)
        yield from _layer(f"{attention}norm2", c)
    yield from _layer(f"{name}conv1", c, 1, 7, 7)
    yield from _layer(f"{name}guidance_projection.0", g, size.embed_dim, 3, 3)
    yield from _layer(f"{name}text_guidance_projection.0", g, size.embed_dim)
    for i, (out_dim, in_dim) in enumerate(
        zip(_DECODER_GUIDANCE_PROJ_DIMS, _DECODER_GUIDANCE_DIMS, strict=True)
    ):
        yield from _layer(f"{name}decoder_guidance_projection.{i}.0", out_dim, in_dim, 3, 3)
    steps = zip((c, *_DECODER_DIMS), _DECODER_DIMS, _DECODER_GUIDANCE_PROJ_DIMS, strict=False)
    for i, (in_dim, out_dim, proj_dim) in enumerate(steps, 1):
        yield f"{name}decoder{i}.up.weight", (in_dim, in_dim - proj_dim, 2, 2)
        yield f"{name}decoder{i}.up.bias", (in_dim - proj_dim,)
        conv = f"{name}decoder{i}.conv.double_conv."
        yield f"{conv}0.weight", (out_dim, in_dim, 3, 3)
        yield from _layer(f"{conv}1", out_dim)
        yield f"{conv}3.weight", (out_dim, out_dim, 3, 3)
        yield from _layer(f"{conv}4", out_dim)
    yield from _layer(f"{name}head", 1, _DECODER_DIMS[-1], 3, 3)
    for i, dim in enumerate(_DECODER_GUIDANCE_DIMS, 1):
        yield f"upsample{i}.weight", (size.image_width, dim, 2**i, 2**i)
        yield f"upsample{i}.bias", (dim,)


def _layer(name: str, out_dim: int, *rest: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out_dim, *rest)
    yield f"{name}.bias", (out_dim,)
