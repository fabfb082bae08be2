"""Which model a file of other people's weights holds, found from the names and shapes of its tensors."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hclip_jax.config_schema import Architecture, ClipConfig, ImageTower, TextTower
from hclip_jax.errors import UserError
from hclip_jax.weights import clip_names, hclip_names, published
from hclip_jax.weights.clip_names import clip_tensors
from hclip_jax.weights.hclip_names import CLIP_PREFIX, catseg_tensors, hclip_tensors
from hclip_jax.weights.huggingface_names import huggingface_tensors
from hclip_jax.weights.tensor_map import Tensor
from hclip_jax.weights.weight_file import WeightFile


class Recognised(NamedTuple):
    """What a file holds."""

    kind: str
    clip: ClipConfig
    architecture: Architecture | None  # None: CLIP alone
    tensors: list[Tensor]
    leftover: Callable[[str], bool]
    activation_known: bool  # the file says so itself; otherwise it is what such files usually have


def recognise(file: WeightFile, like: ClipConfig | None = None, activation: str = "") -> Recognised:
    """Finds out what a file holds: kind, sizes, heads and activation.

    Args:
        file: the file.
        like: has the heads and the activation, where neither the file nor its config.json says them.
        activation: "quick_gelu" or "gelu", likewise.

    Raises:
        UserError: it is no kind that is known, or lacks a tensor that gives a size.
    """
    shapes = _Shapes({name: tensor.shape for name, tensor in file.tensors.items()}, str(file.path))
    activation = like.activation if like else activation
    heads = (like.image.heads, like.text.heads) if like else None
    if f"{CLIP_PREFIX}visual.conv1.weight" in shapes:
        return _segmenter(shapes, heads, activation)
    if "vision_model.embeddings.patch_embedding.weight" in shapes:
        return _huggingface(shapes, heads, activation, file.settings)
    if "visual.conv1.weight" in shapes:
        return _openai(shapes, heads, activation, file)
    some = ", ".join(sorted(file.tensors)[:3])
    raise UserError(
        f"{file.path} holds no model that is known here (its tensors begin with {some}); it may be CLIP as "
        f"OpenAI, OpenCLIP or Hugging Face store it, CAT-Seg or H-CLIP, with a ViT for pictures"
    )


@dataclass(frozen=True)
class _Shapes:
    """Shapes by name; asking for one that is missing, or has too few axes, is the user's error."""

    shapes: Mapping[str, tuple[int, ...]]
    where: str

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def size(self, name: str, axis: int) -> int:
        shape = self.shapes.get(name, ())
        if len(shape) <= axis:
            found = f"has the shape {shape}" if name in self.shapes else "is missing"
            raise UserError(f"{self.where}: {name} {found}, so the model's size is unknown; download it anew")
        return shape[axis]

    def layers(self, prefix: str) -> int:
        numbers = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        found = {int(m[1]) for m in map(numbers.match, self.shapes) if m}
        if not found or found != set(range(len(found))):
            raise UserError(
                f"{self.where}: the layers {prefix}.0, .1, ... are not complete; download it anew"
            )
        return len(found)


_Heads = tuple[int, int] | None  # of the image and the text tower, if known


class _Names(NamedTuple):
    """Where the sizes of a tower are told, in OpenAI's terms."""

    patches: str
    image_position: str
    image_layers: str
    expand: str  # below a layer
    tokens: str
    text_position: str
    text_layers: str


_OPENAI = _Names(
    "visual.conv1.weight",
    "visual.positional_embedding",
    "visual.transformer.resblocks",
    "mlp.c_fc.weight",
    "token_embedding.weight",
    "positional_embedding",
    "transformer.resblocks",
)
_HUGGINGFACE = _Names(
    "vision_model.embeddings.patch_embedding.weight",
    "vision_model.embeddings.position_embedding.weight",
    "vision_model.encoder.layers",
    "mlp.fc1.weight",
    "text_model.embeddings.token_embedding.weight",
    "text_model.embeddings.position_embedding.weight",
    "text_model.encoder.layers",
)


def _clip(shapes: _Shapes, names: _Names, embed: int, activation: str, heads: _Heads) -> ClipConfig:
    width, patch = shapes.size(names.patches, 0), shapes.size(names.patches, 2)
    side = math.isqrt(max(shapes.size(names.image_position, 0) - 1, 0))
    text_width = shapes.size(names.tokens, 1)
    image_heads, text_heads = heads or (
        published.heads(width, shapes.where, image=True),
        published.heads(text_width, shapes.where, image=False),
    )
    if min(width, text_width, side, patch, image_heads, text_heads, embed) < 1:
        raise UserError(f"{shapes.where}: a tower of size 0; the file is broken, download it anew")
    expand = shapes.size(f"{names.image_layers}.0.{names.expand}", 0)
    text_expand = shapes.size(f"{names.text_layers}.0.{names.expand}", 0)
    image = ImageTower(
        shapes.layers(names.image_layers), width, image_heads, expand / width, patch, side * patch
    )
    text = TextTower(
        shapes.layers(names.text_layers),
        text_width,
        text_heads,
        text_expand / text_width,
        shapes.size(names.tokens, 0),
        shapes.size(names.text_position, 0),
    )
    return ClipConfig("", embed, activation, image, text)


def _openai(shapes: _Shapes, heads: _Heads, activation: str, file: WeightFile) -> Recognised:
    model = file.settings.get("model_cfg", {})
    vision, words = model.get("vision_cfg", {}), model.get("text_cfg", {})
    if words.get("heads"):
        heads = shapes.size(_OPENAI.patches, 0) // int(vision.get("head_width", 64)), int(words["heads"])
    known = file.scripted or "input_resolution" in shapes or bool(model)
    quick = file.scripted or "input_resolution" in shapes or model.get("quick_gelu", False)
    usual = "quick_gelu" if quick else "gelu"
    nested = "text.token_embedding.weight" in shapes  # OpenCLIP's CustomTextCLIP
    prefix = "text." if nested else ""
    names = _OPENAI._replace(
        tokens=f"{prefix}{_OPENAI.tokens}",
        text_position=f"{prefix}{_OPENAI.text_position}",
        text_layers=f"{prefix}{_OPENAI.text_layers}",
    )
    clip = _clip(shapes, names, shapes.size("visual.proj", 1), usual if known else activation or usual, heads)
    return Recognised(
        "OpenAI's CLIP" if file.scripted else "CLIP with OpenAI's names, as OpenCLIP has them",
        clip,
        None,
        list(clip_tensors(clip, text_prefix=prefix)),
        clip_names.leftover,
        known,
    )


def _huggingface(shapes: _Shapes, heads: _Heads, activation: str, settings: Mapping[str, Any]) -> Recognised:
    vision, words = settings.get("vision_config") or {}, settings.get("text_config") or {}
    known = settings.get("model_type") == "clip"
    if known:  # what a config.json does not say is what transformers' CLIPConfig has
        heads = int(vision.get("num_attention_heads", 12)), int(words.get("num_attention_heads", 8))
    usual = str(vision.get("hidden_act", "quick_gelu"))
    if usual not in ("quick_gelu", "gelu"):
        raise UserError(
            f"{shapes.where}: its config.json has hidden_act {usual!r}; quick_gelu and gelu are known"
        )
    embed = shapes.size("visual_projection.weight", 0)
    clip = _clip(shapes, _HUGGINGFACE, embed, usual if known else activation or usual, heads)
    tensors = list(huggingface_tensors(clip))
    return Recognised("Hugging Face's CLIP", clip, None, tensors, clip_names.leftover, known)


def _segmenter(shapes: _Shapes, heads: _Heads, activation: str) -> Recognised:
    names = _Names(*(f"{CLIP_PREFIX}{name}" for name in _OPENAI))
    names = names._replace(expand=_OPENAI.expand)
    embed = shapes.size(f"{CLIP_PREFIX}visual.proj", 1)
    clip = _clip(shapes, names, embed, activation or "quick_gelu", heads)
    rotation = f"{CLIP_PREFIX}transformer.resblocks.0.attn_q_proj_oft_layer_R"
    block = shapes.size(rotation, 0) if rotation in shapes else 0
    architecture = published.architecture(clip, shapes.size, shapes.layers, block)
    tensors = (hclip_tensors if block else catseg_tensors)(architecture)
    kind = "the published H-CLIP" if block else "CAT-Seg"
    return Recognised(kind, clip, architecture, list(tensors), hclip_names.leftover, True)
