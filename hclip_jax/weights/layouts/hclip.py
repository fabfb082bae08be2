"""The tensors of the published segmenters, H-CLIP and CAT-Seg: CLIP, the adapters, the segmentation head."""

import re
from collections.abc import Iterator
from typing import cast

from hclip_jax.adapters.relations import layer_index
from hclip_jax.config.adapters import TARGETS, AdapterConfig, HClipConfig
from hclip_jax.config.build import changed_fields, to_dict
from hclip_jax.config.schema import Architecture, ClipConfig, HeadConfig
from hclip_jax.errors import UserError
from hclip_jax.weights.layouts.layout import Part, Tensor
from hclip_jax.weights.layouts.openai import CONVOLUTION, LINEAR, clip_tensors, linear, norm

CLIP_PREFIX = "sem_seg_head.predictor.clip_model."
AGGREGATOR_PREFIX = "sem_seg_head.predictor.transformer."
_TRANSPOSED_CONVOLUTION = (2, 3, 0, 1)  # PyTorch's are [in, out, height, width]
# Constants that modules compute for themselves.
_LEFTOVER = re.compile(r"\.attn_mask$|\.(cross_attention_dim|hidden_size)$")


def leftover(name: str) -> bool:
    """Whether a name of the published state dict is a buffer that holds nothing learnt."""
    return bool(_LEFTOVER.search(name))


def hclip_tensors(architecture: Architecture) -> Iterator[Tensor]:
    """All parameters of the published model: 462 tensors, of which 14 have 24 (12 x 2) names.

    Raises:
        UserError: the adapters are not those of the published code.
    """
    adapters = _check_published(architecture.adapters)
    yield from clip_tensors(architecture.clip, CLIP_PREFIX)
    yield from adapter_tensors(architecture.clip, adapters.block_size)
    yield from head_tensors(architecture)


def catseg_tensors(architecture: Architecture) -> Iterator[Tensor]:
    """All parameters of CAT-Seg, from which H-CLIP has its head: CLIP fine-tuned in place, no adapters."""
    yield from clip_tensors(architecture.clip, CLIP_PREFIX, fused=False)
    yield from head_tensors(architecture)


def adapter_tensors(clip: ClipConfig, block: int) -> Iterator[Tensor]:
    """The shared relation tensor R [b, b, 4 L, M_t + M_v] and the two relations.

    For towers of unequal depth, which the published code cannot build, the rows of R that no layer of
    the shorter tower uses are zero.
    """
    towers = (("text", clip.text), ("vision", clip.image))
    longest = max(tower.num_layers for _, tower in towers)
    parts, first = [], 0
    for leaf, tower in towers:
        own = slice(first, first + tower.width // block)
        first = own.stop
        parts += [
            Part(f"adapters/{leaf}", (layer, kind), (2, 0, 1), (..., len(TARGETS) * place + kind, own))
            for layer, place in enumerate(layer_index(tower.num_layers, longest))
            for kind in range(len(TARGETS))
        ]
    yield _shared(clip, "layer_R", (block, block, len(TARGETS) * longest, first), tuple(parts))
    side = len(TARGETS) * longest
    yield _shared(clip, "relation_l_R.weight", (side, side), (Part("adapters/layer"),))
    for layer in range(longest):
        part = Part("adapters/modality", (layer,))
        yield _shared(clip, f"relation_m_R.{layer}.weight", (first, first), (part,))


def head_tensors(architecture: Architecture) -> Iterator[Tensor]:
    """The cost aggregation and the upsampling of its decoder guidance."""
    head, width = architecture.head, architecture.clip.image.width
    for i, features in enumerate(head.decoder_guidance_dims, start=1):
        leaf, side = f"head/upsample{i}", 2**i
        shape = (width, features, side, side)
        kernel = Part(f"{leaf}/kernel", axes=_TRANSPOSED_CONVOLUTION)
        yield Tensor(f"upsample{i}.weight", shape, (kernel,))
        yield Tensor(f"upsample{i}.bias", (features,), (Part(f"{leaf}/bias"),))
    yield from aggregator_tensors(head, architecture.clip.embed_dim, len(architecture.prompts.templates))


def aggregator_tensors(head: HeadConfig, embed: int, prompts: int) -> Iterator[Tensor]:
    """The cost aggregation alone."""
    name, leaf = AGGREGATOR_PREFIX, "head/aggregator"
    hidden, g = head.hidden_dim, head.guidance_dim
    yield from _convolution(f"{name}conv1", f"{leaf}/embed", hidden, prompts, 7)
    yield from _convolution(f"{name}guidance_projection.0", f"{leaf}/appearance_guidance", g, embed, 3)
    yield from linear(f"{name}text_guidance_projection.0", f"{leaf}/text_guidance", g, embed)
    for i in range(head.num_layers):
        layer = f"{name}layers.{i}."
        yield from _spatial(f"{layer}swin_block.", f"{leaf}/spatial{i + 1}", head)
        yield from _classes(f"{layer}attention.", f"{leaf}/classes{i + 1}", head)
    yield from _decoder(name, leaf, head)


def _check_published(config: AdapterConfig) -> HClipConfig:
    """The configuration, if the published code could have made it: it lets one choose only the block size."""
    wanted = HClipConfig(block_size=getattr(config, "block_size", HClipConfig.block_size))
    unread = "adapters.neumann_terms"  # the exact Cayley map does not use it
    if changed := [f for f in changed_fields(to_dict(wanted), to_dict(config), "adapters.") if f != unread]:
        raise UserError(
            f"the published code has no names for a model of another {', '.join(changed)} than its own; "
            f"merge the model (hclip merge) and pass on the CLIP that it became"
        )
    return cast(HClipConfig, config)


def _shared(clip: ClipConfig, name: str, shape: tuple[int, ...], parts: tuple[Part, ...]) -> Tensor:
    """A tensor that every block of both towers holds under its own name."""
    names = [
        f"{CLIP_PREFIX}{tower}transformer.resblocks.{layer}.attn_q_proj_oft_{name}"
        for tower, layers in (("visual.", clip.image.num_layers), ("", clip.text.num_layers))
        for layer in range(layers)
    ]
    return Tensor(names[0], shape, parts, tuple(names[1:]))


def _convolution(name: str, leaf: str, out: int, into: int, side: int) -> Iterator[Tensor]:
    part = Part(f"{leaf}/kernel", axes=CONVOLUTION)
    yield Tensor(f"{name}.weight", (out, into, side, side), (part,))
    yield Tensor(f"{name}.bias", (out,), (Part(f"{leaf}/bias"),))


def _guided(name: str, leaf: str, out: int, into: int, guidance: int) -> Iterator[Tensor]:
    """A dense layer of [x, guidance], which we keep in two halves."""
    columns = slice(None, into), slice(into, None)
    parts = tuple(
        Part(f"{leaf}/{half}/kernel", (), LINEAR, (slice(None), own))
        for half, own in zip(("x", "guidance"), columns, strict=True)
    )
    yield Tensor(f"{name}.weight", (out, into + guidance), parts)
    yield Tensor(f"{name}.bias", (out,), (Part(f"{leaf}/guidance/bias"),))


def _spatial(name: str, leaf: str, head: HeadConfig) -> Iterator[Tensor]:
    c, g = head.hidden_dim, head.guidance_dim
    yield from norm(f"{name}guidance_norm", f"{leaf}/guidance_norm", g)
    for i in (1, 2):
        block, own = f"{name}block_{i}.", f"{leaf}/block{i}"
        yield from norm(f"{block}norm1", f"{own}/norm1", c)
        yield from norm(f"{block}norm2", f"{own}/norm2", c)
        yield from _guided(f"{block}attn.q", f"{own}/query", c, c, g)
        yield from _guided(f"{block}attn.k", f"{own}/key", c, c, g)
        yield from linear(f"{block}attn.v", f"{own}/value", c, c)
        yield from linear(f"{block}attn.proj", f"{own}/out", c, c)
        yield from linear(f"{block}mlp.fc1", f"{own}/fc1", 4 * c, c)
        yield from linear(f"{block}mlp.fc2", f"{own}/fc2", c, 4 * c)


def _classes(name: str, leaf: str, head: HeadConfig) -> Iterator[Tensor]:
    c, g = head.hidden_dim, head.guidance_dim
    for torch_name, own, width in (
        ("padding_tokens", "padding_token", c),
        ("padding_guidance", "padding_guidance", g),
    ):
        yield Tensor(f"{name}{torch_name}", (1, 1, width), (Part(f"{leaf}/{own}", source=(0, 0)),))
    yield from _guided(f"{name}attention.q", f"{leaf}/query", c, c, g)
    yield from _guided(f"{name}attention.k", f"{leaf}/key", c, c, g)
    yield from linear(f"{name}attention.v", f"{leaf}/value", c, c)
    yield from linear(f"{name}MLP.0", f"{leaf}/fc1", 4 * c, c)
    yield from linear(f"{name}MLP.2", f"{leaf}/fc2", c, 4 * c)
    yield from norm(f"{name}norm1", f"{leaf}/norm1", c)
    yield from norm(f"{name}norm2", f"{leaf}/norm2", c)


def _decoder(name: str, leaf: str, head: HeadConfig) -> Iterator[Tensor]:
    into = head.hidden_dim
    for i, (out, wide, narrow) in enumerate(
        zip(head.decoder_dims, head.decoder_guidance_dims, head.decoder_guidance_proj_dims, strict=True),
        start=1,
    ):
        yield from _convolution(
            f"{name}decoder_guidance_projection.{i - 1}.0", f"{leaf}/decoder_guidance{i}", narrow, wide, 3
        )
        step, own, up = f"{name}decoder{i}.", f"{leaf}/decoder/step{i}", into - narrow
        kernel = Part(f"{own}/conv1/up_kernel", axes=_TRANSPOSED_CONVOLUTION)
        yield Tensor(f"{step}up.weight", (into, up, 2, 2), (kernel,))
        yield Tensor(f"{step}up.bias", (up,), (Part(f"{own}/conv1/up_bias"),))
        # The first convolution reads [x, guidance]; we keep its halves apart.
        halves = (
            Part(f"{own}/conv1/kernel", (), CONVOLUTION, (slice(None), slice(None, up))),
            Part(f"{own}/conv1_guidance/kernel", (), CONVOLUTION, (slice(None), slice(up, None))),
        )
        yield Tensor(f"{step}conv.double_conv.0.weight", (out, into, 3, 3), halves)
        yield from norm(f"{step}conv.double_conv.1", f"{own}/norm1", out)
        second = Part(f"{own}/conv2/kernel", axes=CONVOLUTION)
        yield Tensor(f"{step}conv.double_conv.3.weight", (out, out, 3, 3), (second,))
        yield from norm(f"{step}conv.double_conv.4", f"{own}/norm2", out)
        into = out
    yield from _convolution(f"{name}head", f"{leaf}/decoder/logit", 1, into, 3)
