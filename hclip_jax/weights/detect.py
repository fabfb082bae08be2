"""Detects which model a file of another program holds, from the names and shapes of its tensors."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from hclip_jax.config.adapters import HClipConfig
from hclip_jax.config.schema import Architecture, ClipConfig, HeadConfig, ImageTower, TextTower
from hclip_jax.errors import UserError, printable, some
from hclip_jax.weights import reference_defaults as reference
from hclip_jax.weights.hf_config import HfConfig
from hclip_jax.weights.layouts import hclip, openai
from hclip_jax.weights.layouts.huggingface import huggingface_tensors
from hclip_jax.weights.layouts.layout import Tensor
from hclip_jax.weights.weight_file import WeightFile

_ACTIVATIONS = ("quick_gelu", "gelu")
_MAX_LAYERS, _MAX_HEAD_LAYERS = 1000, 32  # as in the configuration; published ones have up to 56 and 2


class DetectedFormat(NamedTuple):
    """Format and model of a file."""

    kind: str
    clip: ClipConfig
    architecture: Architecture | None  # None: CLIP alone
    tensors: list[Tensor]  # the name table
    is_buffer: Callable[[str], bool]
    activation_assumed: bool = False  # neither the file nor the caller states it
    published: str = ""  # what the file does not state and is taken from the published model


def detect_format(file: WeightFile, like: ClipConfig | None = None, activation: str = "") -> DetectedFormat:
    """Detects format, sizes, numbers of heads and activation.

    Args:
        file: the file.
        like: a CLIP whose activation, and whose number of heads for a tower of the same width, are used
            where neither the file nor its config.json states them.
        activation: "quick_gelu" or "gelu", used where neither the file nor its config.json states it.

    Raises:
        UserError: the format is unknown, a tensor that determines a size is missing, or config.json has a
            value that is not allowed.
    """
    requested = like.activation if like else activation
    if f"{hclip.CLIP_PREFIX}visual.class_embedding" in file.tensors:
        return _detect_segmenter(file, like, requested)
    if "vision_model.embeddings.patch_embedding.weight" in file.tensors:
        return _detect_huggingface(file, like, requested)
    if "visual.class_embedding" in file.tensors:  # absent from CLIP's ResNets
        return _detect_openai(file, like, requested)
    listed = map(printable, sorted(file.tensors))
    raise UserError(
        f"{file.path} holds no model of a known format (its tensors are {some(listed)}); give "
        f"CLIP with a ViT as OpenAI, OpenCLIP or Hugging Face store it, CAT-Seg or H-CLIP"
    )


def _detect_openai(file: WeightFile, like: ClipConfig | None, requested: str) -> DetectedFormat:
    config, stated = HfConfig(file.hf_config, str(file.path), file.config_names), ""
    vision, text = "model_cfg.vision_cfg", "model_cfg.text_cfg"
    if config.get(f"{text}.hf_tokenizer_name"):
        raise config.wrong(f"{text}.hf_tokenizer_name", "absent, because only CLIP's tokenizer is supported")
    # Defaults of OpenCLIP, which leaves them out of the file.
    heads = 0, config.count(f"{text}.heads", 8) if config.get(text) is not None else 0
    if config.get(vision) is not None:
        width, head_width = _size(file, "visual.conv1.weight", 0), config.count(f"{vision}.head_width", 64)
        if head_width > width:
            raise config.wrong(f"{vision}.head_width", f"at most the width of the tower, {width}")
        heads = width // head_width, heads[1]
    if file.is_torchscript or "input_resolution" in file.tensors:
        stated = "quick_gelu"
    elif config.get("model_cfg"):
        stated = "quick_gelu" if config.choice("model_cfg.quick_gelu", False, (False, True)) else "gelu"
    custom_text = "text.token_embedding.weight" in file.tensors  # OpenCLIP's CustomTextCLIP
    names = partial(openai.clip_tensors, text_prefix="text." if custom_text else "")
    clip = _clip_config(file, names, stated or requested or "gelu", like, heads)
    kind = "OpenAI's CLIP" if file.is_torchscript else "CLIP with OpenAI's names, as OpenCLIP has them"
    return DetectedFormat(kind, clip, None, list(names(clip)), openai.is_buffer, not (stated or requested))


def _detect_huggingface(file: WeightFile, like: ClipConfig | None, requested: str) -> DetectedFormat:
    config, heads, stated = HfConfig(file.hf_config, str(file.path), file.config_names), (0, 0), ""
    if config.choice("model_type", "", ("clip",)):
        # Defaults of transformers' CLIPConfig, which leaves them out of the file.
        vision = config.count("vision_config.num_attention_heads", 12)
        heads = vision, config.count("text_config.num_attention_heads", 8)
        stated = config.choice("vision_config.hidden_act", "quick_gelu", _ACTIVATIONS)
        if config.choice("text_config.hidden_act", "quick_gelu", _ACTIVATIONS) != stated:
            raise config.wrong("text_config.hidden_act", f"{stated}, as in vision_config")
    clip = _clip_config(file, huggingface_tensors, stated or requested or "quick_gelu", like, heads)
    tensors, assumed = list(huggingface_tensors(clip)), not (stated or requested)
    return DetectedFormat("Hugging Face's CLIP", clip, None, tensors, openai.is_buffer, assumed)


def _detect_segmenter(file: WeightFile, like: ClipConfig | None, requested: str) -> DetectedFormat:
    names = partial(openai.clip_tensors, prefix=hclip.CLIP_PREFIX)
    clip = _clip_config(file, names, requested or "quick_gelu", like)
    blocks = f"{hclip.CLIP_PREFIX}transformer.resblocks.0.attn_q_proj_oft_layer_R"
    block_size = _size(file, blocks, 0) if blocks in file.tensors else 0
    kind, layout = "the published H-CLIP", hclip.hclip_tensors
    if not block_size:
        kind, layout = "CAT-Seg", hclip.catseg_tensors
        # The block size of adapters that are trained on it.
        block_size = math.gcd(clip.image.width, clip.text.width, reference.MAX_BLOCK_SIZE)
    name, steps = hclip.AGGREGATOR_PREFIX, (1, 2)
    if (num_templates := _size(file, f"{name}conv1.weight", 1)) != 1:
        raise UserError(
            f"{file.path}: the cost aggregation has {num_templates} prompts a class, whose templates are not "
            f"in the file; give a model of the one template {reference.PROMPTS.templates[0]!r}"
        )
    mask = f"{name}layers.0.swin_block.block_2.attn_mask"  # [windows, window_size^2, window_size^2]
    window_size, grid_size, published = reference.WINDOW_SIZE, reference.GRID_SIZE, ""
    if mask in file.tensors:
        window_size = math.isqrt(_size(file, mask, 1))
        grid_size = window_size * math.isqrt(_size(file, mask, 0))
    else:  # a file of parameters alone
        published = (
            f"windows of {window_size} on a grid of {grid_size} as published, because no attn_mask is there"
        )
    head = HeadConfig(
        hidden_dim=_size(file, f"{name}conv1.weight", 0),
        num_layers=_num_layers(file, f"{name}layers", _MAX_HEAD_LAYERS),
        num_heads=reference.NUM_AGGREGATION_HEADS,
        window_size=window_size,
        guidance_dim=_size(file, f"{name}guidance_projection.0.weight", 0),
        guidance_layers=tuple(max(1, i * clip.image.num_layers // 3) for i in steps),
        decoder_dims=tuple(_size(file, f"{name}decoder{i}.conv.double_conv.0.weight", 0) for i in steps),
        decoder_guidance_dims=tuple(_size(file, f"upsample{i}.weight", 1) for i in steps),
        decoder_guidance_proj_dims=tuple(
            _size(file, f"{name}decoder_guidance_projection.{i - 1}.0.weight", 0) for i in steps
        ),
        max_classes=reference.MAX_CLASSES,
        prior_prob=reference.PRIOR_PROB,
    )
    model = replace(reference.MODEL, image_size=clip.image.patch_size * grid_size)
    architecture = Architecture(clip, HClipConfig(block_size=block_size), head, model, reference.PROMPTS)
    tensors = list(layout(architecture))
    return DetectedFormat(kind, clip, architecture, tensors, hclip.is_buffer, not requested, published)


def _clip_config(
    file: WeightFile,
    names: Callable[[ClipConfig], Iterable[Tensor]],
    activation: Any,
    like: ClipConfig | None,
    heads: tuple[int, int] = (0, 0),
) -> ClipConfig:
    """CLIP with the sizes of the tensors; `heads` of the image and the text tower are 0 where not stated."""
    # The name table of one layer says which axis of which tensor has a size.
    probe = ClipConfig("", 1, "gelu", ImageTower(1, 1, 1, 1.0, 1, 1), TextTower(1, 1, 1, 1.0, 1, 1))
    tensors = {part.path: (tensor.name, part.axes) for tensor in names(probe) for part in tensor.parts}

    def size(path: str, axis: int) -> int:
        name, axes = tensors[f"clip/{path}"]
        return _size(file, name, axes[axis] if axes else axis)

    def tower(name: str, width: int, num_heads: int) -> tuple[int, int, int, float]:
        similar = getattr(like, name, None)
        if similar and similar.width == width:
            num_heads = num_heads or similar.num_heads
        num_heads = num_heads or reference.num_heads(name, width)
        if not num_heads or width % num_heads:
            raise UserError(
                f"{file.path}: the {name} tower of width {width} has {num_heads or 'an unknown number of'} "
                f"heads, which must divide the width; put the config.json (or open_clip_config.json) that "
                f"belongs to the weights beside them"
            )
        first_layer, _ = tensors[f"clip/{name}/blocks/norm1/scale"]
        num_layers = _num_layers(file, first_layer.partition(".0.")[0])
        return num_layers, width, num_heads, size(f"{name}/blocks/fc1/kernel", 1) / width

    embed_dim, patch_size = size("image/projection", 1), size("image/patch_embedding", 0)
    grid_size = math.isqrt(max(size("image/position_embedding", 0) - 1, 0))
    width, text_width = size("image/patch_embedding", 3), size("text/token_embedding", 1)
    if min(embed_dim, patch_size, grid_size, width, text_width) < 1:
        raise UserError(f"{file.path}: a tower has size 0; the file is broken, download it again")
    image = ImageTower(*tower("image", width, heads[0]), patch_size, grid_size * patch_size)
    vocab_size, context_length = size("text/token_embedding", 0), size("text/position_embedding", 0)
    text = TextTower(*tower("text", text_width, heads[1]), vocab_size, context_length)
    return ClipConfig("", embed_dim, activation, image, text)


def _size(file: WeightFile, name: str, axis: int) -> int:
    shape = file.tensors[name].shape if name in file.tensors else ()
    if len(shape) <= axis:
        problem = f"has the shape {shape}" if name in file.tensors else "is missing"
        raise UserError(
            f"{file.path}: {name} {problem}, so the size of the model is unknown; give a file with all "
            f"tensors of the model's state_dict()"
        )
    return shape[axis]


def _num_layers(file: WeightFile, prefix: str, largest: int = _MAX_LAYERS) -> int:
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    layers = {int(match[1]) for match in map(pattern.match, file.tensors) if match}
    if len(layers) > largest:
        raise UserError(
            f"{file.path} has {len(layers):,} layers {prefix}.0, .1, ...; at most {largest} can be read: "
            f"give another model"
        )
    if not layers or layers != set(range(len(layers))):
        raise UserError(f"{file.path}: a layer of {prefix}.0, .1, ... is missing; download the file again")
    return len(layers)
