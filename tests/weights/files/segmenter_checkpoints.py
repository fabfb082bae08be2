"""State dicts with the names of the published CAT-Seg and H-CLIP models, for `make_clip_files.py`."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tests.parity import recipe
from tests.weights.files.openai_clip import CLIP, Size

_PREDICTOR = "sem_seg_head.predictor."
# Of the head: hidden and guidance channels, channels of the decoder's steps, of the guidance they are given
# and of what they read of it; layers, window side and patches a side.
_C, _G, _DECODER, _WIDE, _NARROW, _LAYERS, _WINDOW, _GRID = 8, 4, (6, 4), (4, 3), (3, 2), 1, 2, 4


def catseg(clip: CLIP, size: Size) -> nn.Module:
    """CAT-Seg: q, k and v of CLIP have tensors of their own, but for their common bias."""
    tensors: dict[str, Tensor] = {}
    for name, value in clip.named_parameters():
        if name.endswith("in_proj_weight"):
            for kind, part in zip("qkv", value.chunk(3), strict=True):
                tensors[name.replace("in_proj", f"{kind}_proj")] = nn.Parameter(part.clone())
        else:
            tensors[name] = value
    return _model(tensors, size)


def hclip(clip: CLIP, size: Size, block: int) -> nn.Module:
    """H-CLIP: every block of both towers holds the three shared parts of the adapters.

    `clip` is changed to what the adapters make of it.
    """
    tensors: dict[str, Tensor] = {name: nn.Parameter(p.clone()) for name, p in clip.named_parameters()}
    layers = size.image_layers
    text_blocks, side = size.text_width // block, 4 * layers
    blocks = text_blocks + size.image_width // block
    shapes = {"layer_R": (block, block, side, blocks), "relation_l_R.weight": (side, side)}
    shapes |= {f"relation_m_R.{i}.weight": (blocks, blocks) for i in range(layers)}
    shared = {
        f"attn_q_proj_oft_{name}": _parameter(f"oft_{name.removesuffix('.weight')}", shape, text_blocks)
        for name, shape in shapes.items()
    }
    for tower, oft, width in (("visual.", "oft_vision", size.image_width), ("", "oft", size.text_width)):
        for i in range(layers):
            own = f"{tower}transformer.resblocks.{i}."
            tensors |= {own + name: value for name, value in shared.items()}
            for matrix in ("qkv", "out"):
                for name in ("cross_attention_dim", "hidden_size"):
                    tensors[f"{own}to_{matrix}_{oft}.{name}"] = torch.tensor(width)
    with torch.no_grad():
        _rotate(clip, *shared.values(), text_blocks=text_blocks)
    return _model(tensors, size)


def _rotate(clip: CLIP, r: Tensor, relation: Tensor, *modality: Tensor, text_blocks: int) -> None:
    """Multiplies CLIP's attention matrices by the adapters' blocks, layer by layer."""
    for i, own in enumerate(modality):
        mixed = torch.einsum("as,ik,xysk->aixy", relation, own, r)[4 * i : 4 * i + 4]
        skew = (mixed - mixed.mT)[:, :text_blocks] / 2
        one = torch.eye(r.shape[0])
        text = (one - skew) @ torch.linalg.inv(one + skew)
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
    """Modules whose parameters and buffers have the given dotted names."""
    root = nn.Module()
    for name, value in tensors.items():
        *path, leaf = name.split(".")
        module: Any = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        register = module.register_parameter if isinstance(value, nn.Parameter) else module.register_buffer
        register(leaf, value)
    return root


def _parameter(name: str, shape: tuple[int, ...], text_blocks: int = 0) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(recipe.param(name, shape, text_blocks)))


def _head(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of everything but CLIP."""
    c, g, name = _C, _G, f"{_PREDICTOR}transformer."
    guided, square, wide, flat = (c, c + g), (c, c), (4 * c, c), (c, 4 * c)
    for i in range(_LAYERS):
        swin, attention = f"{name}layers.{i}.swin_block.", f"{name}layers.{i}.attention."
        for block in (f"{swin}block_1.", f"{swin}block_2."):
            if block.endswith("2."):
                yield f"{block}attn_mask", ((_GRID // _WINDOW) ** 2, _WINDOW**2, _WINDOW**2)
            yield from _layer(f"{block}norm1", c)
            for kind, shape in (("q", guided), ("k", guided), ("v", square), ("proj", square)):
                yield from _layer(f"{block}attn.{kind}", *shape)
            yield from _layer(f"{block}norm2", c)
            yield from _layer(f"{block}mlp.fc1", *wide)
            yield from _layer(f"{block}mlp.fc2", *flat)
        yield from _layer(f"{swin}guidance_norm", g)
        yield f"{attention}padding_tokens", (1, 1, c)
        yield f"{attention}padding_guidance", (1, 1, g)
        for kind, shape in (("q", guided), ("k", guided), ("v", square)):
            yield from _layer(f"{attention}attention.{kind}", *shape)
        yield from _layer(f"{attention}MLP.0", *wide)
        yield from _layer(f"{attention}MLP.2", *flat)
        yield from _layer(f"{attention}norm1", c)
        yield from _layer(f"{attention}norm2", c)
    yield from _layer(f"{name}conv1", c, 1, 7, 7)
    yield from _layer(f"{name}guidance_projection.0", g, size.embed, 3, 3)
    yield from _layer(f"{name}text_guidance_projection.0", g, size.embed)
    for i, (out, into) in enumerate(zip(_NARROW, _WIDE, strict=True)):
        yield from _layer(f"{name}decoder_guidance_projection.{i}.0", out, into, 3, 3)
    for i, (into, out, narrow) in enumerate(zip((c, *_DECODER), _DECODER, _NARROW, strict=False), 1):
        yield f"{name}decoder{i}.up.weight", (into, into - narrow, 2, 2)
        yield f"{name}decoder{i}.up.bias", (into - narrow,)
        conv = f"{name}decoder{i}.conv.double_conv."
        yield f"{conv}0.weight", (out, into, 3, 3)
        yield from _layer(f"{conv}1", out)
        yield f"{conv}3.weight", (out, out, 3, 3)
        yield from _layer(f"{conv}4", out)
    yield from _layer(f"{name}head", 1, _DECODER[-1], 3, 3)
    for i, features in enumerate(_WIDE, 1):
        yield f"upsample{i}.weight", (size.image_width, features, 2**i, 2**i)
        yield f"upsample{i}.bias", (features,)


def _layer(name: str, out: int, *rest: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, *rest)
    yield f"{name}.bias", (out,)
