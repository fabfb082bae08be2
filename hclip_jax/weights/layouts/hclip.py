"""Tensors of the published segmenters, H-CLIP and CAT-Seg: CLIP, the adapters and the segmentation head."""

import re
from collections.abc import Iterator
from typing import cast

from hclip_jax.adapters.relations import layer_index
from hclip_jax.config.adapters import TARGETS, HClipConfig
from hclip_jax.config.schema import Architecture, ClipConfig, HeadConfig
from hclip_jax.weights.layouts.layout import Part, Tensor
from hclip_jax.weights.layouts.openai import CONVOLUTION, LINEAR, clip_tensors, linear, norm

CLIP_PREFIX = "sem_seg_head.predictor.clip_model."
AGGREGATOR_PREFIX = "sem_seg_head.predictor.transformer."
_TRANSPOSED_CONVOLUTION = (2, 3, 0, 1)  # PyTorch's kernels are [in, out, height, width]
# Window masks and two widths, which the published modules compute in their constructors.
_BUFFERS = re.compile(r"\.attn_mask$|\.(cross_attention_dim|hidden_size)$")


def is_buffer(name: str) -> bool:
    """Whether a name of the published state dict is a buffer and no parameter."""
    return bool(_BUFFERS.search(name))


def hclip_tensors(architecture: Architecture) -> Iterator[Tensor]:
    """All parameters of the published model: 448 tensors, of which 14 have 24 (12 x 2) names.

    Args:
        architecture: with adapters of H-CLIP, of which only the block size differs from their defaults.
    """
    block_size = cast(HClipConfig, architecture.adapters).block_size
    yield from clip_tensors(architecture.clip, CLIP_PREFIX)
    yield from adapter_tensors(architecture.clip, block_size)
    yield from head_tensors(architecture)


def catseg_tensors(architecture: Architecture) -> Iterator[Tensor]:
    """All parameters of CAT-Seg, whose head H-CLIP uses: CLIP fine-tuned in place, no adapters."""
    yield from clip_tensors(architecture.clip, CLIP_PREFIX, fused=False)
    yield from head_tensors(architecture)


def adapter_tensors(clip: ClipConfig, block_size: int) -> Iterator[Tensor]:
    """The shared block tensor R [b, b, 4 L, M] and the weights of the two relations.

    M counts the blocks of the text tower, then those of the image tower. The published code cannot build
    towers of unequal depth; for such towers the rows of R that no layer of the shorter tower uses are zero.
    """
    towers = (("text", clip.text), ("vision", clip.image))
    depth = max(tower.num_layers for _, tower in towers)
    rows, num_blocks, parts = len(TARGETS) * depth, 0, []
    for name, tower in towers:
        blocks = slice(num_blocks, num_blocks + tower.width // block_size)
        num_blocks = blocks.stop
        parts += [
            Part(f"adapters/{name}", (layer, j), (2, 0, 1), (..., len(TARGETS) * row + j, blocks))
            for layer, row in enumerate(layer_index(tower.num_layers, depth))
            for j in range(len(TARGETS))
        ]
    yield _shared(clip, "layer_R", (block_size, block_size, rows, num_blocks), tuple(parts))
    yield _shared(clip, "relation_l_R.weight", (rows, rows), (Part("adapters/layer"),))
    for layer in range(depth):
        part = Part("adapters/modality", (layer,))
        yield _shared(clip, f"relation_m_R.{layer}.weight", (num_blocks, num_blocks), (part,))


def head_tensors(architecture: Architecture) -> Iterator[Tensor]:
    """The upsampling of the decoder's guidance, the cost aggregation and the decoder."""
    clip, head = architecture.clip, architecture.head
    for i, dim in enumerate(head.decoder_guidance_dims, start=1):
        path, kernel_size = f"head/upsample{i}", 2**i
        kernel = Part(f"{path}/kernel", axes=_TRANSPOSED_CONVOLUTION)
        yield Tensor(f"upsample{i}.weight", (clip.image.width, dim, kernel_size, kernel_size), (kernel,))
        yield Tensor(f"upsample{i}.bias", (dim,), (Part(f"{path}/bias"),))

    name, path = AGGREGATOR_PREFIX, "head/aggregator"
    guidance_dim, num_templates = head.guidance_dim, len(architecture.prompts.templates)
    yield from _convolution(f"{name}conv1", f"{path}/embed", head.hidden_dim, num_templates, 7)
    guidance = f"{path}/appearance_guidance"
    yield from _convolution(f"{name}guidance_projection.0", guidance, guidance_dim, clip.embed_dim, 3)
    guidance = f"{path}/text_guidance"
    yield from linear(f"{name}text_guidance_projection.0", guidance, guidance_dim, clip.embed_dim)
    for i in range(head.num_layers):
        layer = f"{name}layers.{i}."
        yield from _spatial_aggregation(f"{layer}swin_block.", f"{path}/spatial{i + 1}", head)
        yield from _class_aggregation(f"{layer}attention.", f"{path}/classes{i + 1}", head)
    yield from _decoder(name, path, head)


def _shared(clip: ClipConfig, name: str, shape: tuple[int, ...], parts: tuple[Part, ...]) -> Tensor:
    """A tensor that the state dict repeats under the name of every block of both towers."""
    names = [
        f"{CLIP_PREFIX}{tower}transformer.resblocks.{layer}.attn_q_proj_oft_{name}"
        for tower, num_layers in (("visual.", clip.image.num_layers), ("", clip.text.num_layers))
        for layer in range(num_layers)
    ]
    return Tensor(names[0], shape, parts, tuple(names[1:]))


def _convolution(name: str, path: str, out_dim: int, in_dim: int, kernel_size: int) -> Iterator[Tensor]:
    kernel = Part(f"{path}/kernel", axes=CONVOLUTION)
    yield Tensor(f"{name}.weight", (out_dim, in_dim, kernel_size, kernel_size), (kernel,))
    yield Tensor(f"{name}.bias", (out_dim,), (Part(f"{path}/bias"),))


def _guided_linear(name: str, path: str, dim: int, guidance_dim: int) -> Iterator[Tensor]:
    """A linear layer of [x, guidance]; ours has one kernel for x and one for the guidance."""
    x = Part(f"{path}/x/kernel", (), LINEAR, (slice(None), slice(None, dim)))
    guidance = Part(f"{path}/guidance/kernel", (), LINEAR, (slice(None), slice(dim, None)))
    yield Tensor(f"{name}.weight", (dim, dim + guidance_dim), (x, guidance))
    yield Tensor(f"{name}.bias", (dim,), (Part(f"{path}/guidance/bias"),))


def _spatial_aggregation(name: str, path: str, head: HeadConfig) -> Iterator[Tensor]:
    dim, guidance_dim = head.hidden_dim, head.guidance_dim
    yield from norm(f"{name}guidance_norm", f"{path}/guidance_norm", guidance_dim)
    for i in (1, 2):
        block, to = f"{name}block_{i}.", f"{path}/block{i}"
        yield from norm(f"{block}norm1", f"{to}/norm1", dim)
        yield from norm(f"{block}norm2", f"{to}/norm2", dim)
        yield from _guided_linear(f"{block}attn.q", f"{to}/query", dim, guidance_dim)
        yield from _guided_linear(f"{block}attn.k", f"{to}/key", dim, guidance_dim)
        yield from linear(f"{block}attn.v", f"{to}/value", dim, dim)
        yield from linear(f"{block}attn.proj", f"{to}/out", dim, dim)
        yield from linear(f"{block}mlp.fc1", f"{to}/fc1", 4 * dim, dim)
        yield from linear(f"{block}mlp.fc2", f"{to}/fc2", dim, 4 * dim)


def _class_aggregation(name: str, path: str, head: HeadConfig) -> Iterator[Tensor]:
    dim, guidance_dim = head.hidden_dim, head.guidance_dim
    token = Part(f"{path}/padding_token", source_index=(0, 0))
    guidance = Part(f"{path}/padding_guidance", source_index=(0, 0))
    yield Tensor(f"{name}padding_tokens", (1, 1, dim), (token,))
    yield Tensor(f"{name}padding_guidance", (1, 1, guidance_dim), (guidance,))
    yield from _guided_linear(f"{name}attention.q", f"{path}/query", dim, guidance_dim)
    yield from _guided_linear(f"{name}attention.k", f"{path}/key", dim, guidance_dim)
    yield from linear(f"{name}attention.v", f"{path}/value", dim, dim)
    yield from linear(f"{name}MLP.0", f"{path}/fc1", 4 * dim, dim)
    yield from linear(f"{name}MLP.2", f"{path}/fc2", dim, 4 * dim)
    yield from norm(f"{name}norm1", f"{path}/norm1", dim)
    yield from norm(f"{name}norm2", f"{path}/norm2", dim)


def _decoder(name: str, path: str, head: HeadConfig) -> Iterator[Tensor]:
    in_dim = head.hidden_dim
    steps = zip(head.decoder_dims, head.decoder_guidance_dims, head.decoder_guidance_proj_dims, strict=True)
    for i, (out_dim, guidance_dim, proj_dim) in enumerate(steps, start=1):
        projection = f"{name}decoder_guidance_projection.{i - 1}.0"
        yield from _convolution(projection, f"{path}/decoder_guidance{i}", proj_dim, guidance_dim, 3)
        step, to, up_dim = f"{name}decoder{i}.", f"{path}/decoder/step{i}", in_dim - proj_dim
        up_kernel = Part(f"{to}/conv1/up_kernel", axes=_TRANSPOSED_CONVOLUTION)
        yield Tensor(f"{step}up.weight", (in_dim, up_dim, 2, 2), (up_kernel,))
        yield Tensor(f"{step}up.bias", (up_dim,), (Part(f"{to}/conv1/up_bias"),))
        # The first convolution is over [x, guidance]; ours has one kernel for each.
        x = Part(f"{to}/conv1/kernel", (), CONVOLUTION, (slice(None), slice(None, up_dim)))
        guidance = Part(f"{to}/conv1_guidance/kernel", (), CONVOLUTION, (slice(None), slice(up_dim, None)))
        yield Tensor(f"{step}conv.double_conv.0.weight", (out_dim, in_dim, 3, 3), (x, guidance))
        yield from norm(f"{step}conv.double_conv.1", f"{to}/norm1", out_dim)
        kernel = Part(f"{to}/conv2/kernel", axes=CONVOLUTION)
        yield Tensor(f"{step}conv.double_conv.3.weight", (out_dim, out_dim, 3, 3), (kernel,))
        yield from norm(f"{step}conv.double_conv.4", f"{to}/norm2", out_dim)
        in_dim = out_dim
    yield from _convolution(f"{name}head", f"{path}/decoder/logit", 1, in_dim, 3)
