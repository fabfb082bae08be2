"""What the published models have and their files do not say."""

import math
from collections.abc import Callable

from hclip_jax.config.adapters import HClipConfig
from hclip_jax.config.schema import (
    Architecture,
    ClipConfig,
    HeadConfig,
    InferenceProtocol,
    ModelConfig,
    PromptConfig,
)
from hclip_jax.errors import UserError
from hclip_jax.weights.layouts.hclip import AGGREGATOR_PREFIX

PROTOCOL = InferenceProtocol("sliding", 1, 640, 2560, 640, 384, 256)
TEMPLATE = "A photo of a {} in the scene"

_HEAD_WIDTH = 64
_WIDE_HEADS = {1280: 80, 1408: 88, 1664: 104, 1792: 112}  # image towers of OpenCLIP's ViT-H, g, bigG, e
_AGGREGATION_HEADS, _SLOTS, _LARGEST_BLOCK, _CLASSES_AT_ONCE = 4, 256, 128, 20

# sha256 of the files that OpenAI publishes.
OPENAI_FILES = {
    "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f": "OpenAI's ViT-B-16.pt",
    "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02": "OpenAI's ViT-L-14-336px.pt",
}


def heads(width: int, where: str, image: bool) -> int:
    """Attention heads of a CLIP tower of some width: of 64 channels each, or one of fewer.

    Args:
        width: 1 or more.
        where: what the file is called in messages.
        image: whether it is the image tower.

    Raises:
        UserError: no published tower has that width.
    """
    head = _WIDE_HEADS.get(width, _HEAD_WIDTH) if image else _HEAD_WIDTH
    head = min(head, width)
    if width % head:
        raise UserError(
            f"{where}: a tower of width {width} has no usual number of heads; put the config.json (or "
            f"open_clip_config.json) that belongs to the weights beside them"
        )
    return width // head


def architecture(
    clip: ClipConfig, size: Callable[[str, int], int], layers: Callable[[str], int], block: int, where: str
) -> Architecture:
    """The architecture of a published segmenter.

    Args:
        clip: its CLIP.
        size: (name of a tensor, axis) -> size.
        layers: (prefix) -> how many numbered layers it has.
        block: side of the adapters' blocks; 0 without adapters.
        where: what the file is called in messages.

    Raises:
        UserError: what `size` raises, or several prompts a class, of which nobody knows the words.
    """
    name = AGGREGATOR_PREFIX
    if (prompts := size(f"{name}conv1.weight", 1)) != 1:
        raise UserError(
            f"{where}: the cost aggregation has {prompts} prompts a class, whose words the file does not "
            f"tell; only models of the one template {TEMPLATE!r} can be read"
        )
    mask = f"{name}layers.0.swin_block.block_2.attn_mask"  # [windows, window^2, window^2]
    window = math.isqrt(size(mask, 1))
    grid = window * math.isqrt(size(mask, 0))
    steps = (1, 2)
    head = HeadConfig(
        hidden_dim=size(f"{name}conv1.weight", 0),
        num_layers=layers(f"{name}layers"),
        num_heads=_AGGREGATION_HEADS,
        window_size=window,
        guidance_dim=size(f"{name}guidance_projection.0.weight", 0),
        guidance_layers=tuple(max(1, i * clip.image.num_layers // 3) for i in steps),
        decoder_dims=tuple(size(f"{name}decoder{i}.conv.double_conv.0.weight", 0) for i in steps),
        decoder_guidance_dims=tuple(size(f"upsample{i}.weight", 1) for i in steps),
        decoder_guidance_proj_dims=tuple(
            size(f"{name}decoder_guidance_projection.{i - 1}.0.weight", 0) for i in steps
        ),
        max_classes=_SLOTS,
        prior_prob=0.0,
    )
    # Without adapters the side of their blocks is what they would have if they were trained on.
    block = block or math.gcd(clip.image.width, clip.text.width, _LARGEST_BLOCK)
    return Architecture(
        clip=clip,
        adapters=HClipConfig(block_size=block),
        head=head,
        model=ModelConfig(
            clip.image.patch_size * grid,
            "float32",
            "float32",
            _CLASSES_AT_ONCE,
            tower_remat_policy="dots",
            head_remat_policy="full",
        ),
        prompts=PromptConfig((TEMPLATE,), "first"),
    )
