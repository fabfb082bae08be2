"""Which model a file of other people's weights holds, found from the names and shapes of its tensors."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hclip_jax.config.schema import Activation, Architecture, ClipConfig, ImageTower, TextTower
from hclip_jax.errors import UserError
from hclip_jax.weights import reference_defaults as published
from hclip_jax.weights.hf_config import Settings
from hclip_jax.weights.layouts import hclip as hclip_names
from hclip_jax.weights.layouts import openai as clip_names
from hclip_jax.weights.layouts.hclip import CLIP_PREFIX, catseg_tensors, hclip_tensors
from hclip_jax.weights.layouts.huggingface import huggingface_tensors
from hclip_jax.weights.layouts.layout import Tensor
from hclip_jax.weights.layouts.openai import clip_tensors
from hclip_jax.weights.weight_file import WeightFile


class DetectedFormat(NamedTuple):
    """What a file holds."""

    kind: str
    clip: ClipConfig
    architecture: Architecture | None  # None: CLIP alone
    tensors: list[Tensor]
    leftover: Callable[[str], bool]
    assumed: bool  # the activation is what such files usually have: nobody says it


def detect_format(file: WeightFile, like: ClipConfig | None = None, activation: str = "") -> DetectedFormat:
    """Finds out what a file holds: kind, sizes, heads and activation.

    Args:
        file: the file.
        like: has the activation, and the heads of towers of the same width, where neither the file nor its
            config.json says them.
        activation: "quick_gelu" or "gelu", likewise.

    Raises:
        UserError: it is no kind that is known, lacks a tensor that gives a size, or its config.json says
            what cannot be.
    """
    shapes = _Shapes({name: tensor.shape for name, tensor in file.tensors.items()}, str(file.path))
    told = _Told(like.activation if like else activation, like)
    settings = Settings(file.settings, str(file.path))
    if f"{CLIP_PREFIX}visual.class_embedding" in shapes:
        return _segmenter(shapes, told)
    if "vision_model.embeddings.patch_embedding.weight" in shapes:
        return _huggingface(shapes, told, settings)
    if "visual.class_embedding" in shapes:  # only a ViT has one
        return _openai(shapes, told, settings, file.scripted)
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
            raise UserError(
                f"{self.where}: {name} {found}, so the model's size is unknown; give a whole CLIP"
            )
        return shape[axis]

    def layers(self, prefix: str) -> int:
        numbers = re.compile(re.escape(prefix) + r"\.(\d+)\.")
        found = {int(m[1]) for m in map(numbers.match, self.shapes) if m}
        if not found or found != set(range(len(found))):
            raise UserError(
                f"{self.where}: the layers {prefix}.0, .1, ... are not complete; download it anew"
            )
        return len(found)


class _Told(NamedTuple):
    """What the caller knows, empty if nothing."""

    activation: str
    like: ClipConfig | None


class _Names(NamedTuple):
    """Where the sizes of a tower are told, in OpenAI's terms."""

    patches: str
    image_position: str
    image_layers: str
    fc1: str  # below a layer
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


def _clip(
    shapes: _Shapes, names: _Names, embed: int, activation: Activation, heads: tuple[int, int], told: _Told
) -> ClipConfig:
    """CLIP of the sizes that the tensors have; `heads` of both towers are 0 where the file does not say."""
    width, patch = shapes.size(names.patches, 0), shapes.size(names.patches, 2)
    side = math.isqrt(max(shapes.size(names.image_position, 0) - 1, 0))
    text_width = shapes.size(names.tokens, 1)
    if min(width, text_width, side, patch, embed) < 1:
        raise UserError(f"{shapes.where}: a tower of size 0; the file is broken, download it anew")
    like = told.like
    image = ImageTower(
        shapes.layers(names.image_layers),
        width,
        heads[0]
        or (like.image.num_heads if like and like.image.width == width else 0)
        or published.heads(width, shapes.where, image=True),
        shapes.size(f"{names.image_layers}.0.{names.fc1}", 0) / width,
        patch,
        side * patch,
    )
    text = TextTower(
        shapes.layers(names.text_layers),
        text_width,
        heads[1]
        or (like.text.num_heads if like and like.text.width == text_width else 0)
        or published.heads(text_width, shapes.where, image=False),
        shapes.size(f"{names.text_layers}.0.{names.fc1}", 0) / text_width,
        shapes.size(names.tokens, 0),
        shapes.size(names.text_position, 0),
    )
    for tower in (image, text):
        if tower.width % tower.num_heads:
            raise UserError(
                f"{shapes.where}: the config.json beside it gives a tower of width {tower.width} "
                f"{tower.num_heads} heads, which do not divide it; give weights and config.json of one CLIP"
            )
    return ClipConfig("", embed, activation, image, text)


def _openai(shapes: _Shapes, told: _Told, settings: Settings, scripted: bool) -> DetectedFormat:
    model = settings.group("model_cfg")
    vision, words = model.group("vision_cfg"), model.group("text_cfg")
    if words.given("hf_tokenizer_name"):
        raise words.wrong("hf_tokenizer_name", "absent, for only CLIP's own tokens are understood here")
    heads = (0, 0)
    if words.given("heads"):
        heads = shapes.size(_OPENAI.patches, 0) // vision.count("head_width", 64), words.count("heads", 8)
        if not heads[0]:
            raise vision.wrong("head_width", "at most the width of the tower")
    said = ""
    if scripted or "input_resolution" in shapes:
        said = "quick_gelu"
    elif model:
        said = "quick_gelu" if model.choice("quick_gelu", False, (False, True)) else "gelu"
    prefix = "text." if "text.token_embedding.weight" in shapes else ""  # OpenCLIP's CustomTextCLIP
    names = _OPENAI._replace(
        tokens=f"{prefix}{_OPENAI.tokens}",
        text_position=f"{prefix}{_OPENAI.text_position}",
        text_layers=f"{prefix}{_OPENAI.text_layers}",
    )
    activation = said or told.activation or "gelu"
    clip = _clip(shapes, names, shapes.size("visual.proj", 1), activation, heads, told)
    return DetectedFormat(
        "OpenAI's CLIP" if scripted else "CLIP with OpenAI's names, as OpenCLIP has them",
        clip,
        None,
        list(clip_tensors(clip, text_prefix=prefix)),
        clip_names.leftover,
        not (said or told.activation),
    )


def _huggingface(shapes: _Shapes, told: _Told, settings: Settings) -> DetectedFormat:
    vision, words = settings.group("vision_config"), settings.group("text_config")
    heads, said = (0, 0), ""
    if settings.choice("model_type", "", ("clip",)):
        # What it does not say is what transformers' CLIPConfig has.
        heads = vision.count("num_attention_heads", 12), words.count("num_attention_heads", 8)
        said = vision.choice("hidden_act", "quick_gelu", ("quick_gelu", "gelu"))
        if words.choice("hidden_act", "quick_gelu", ("quick_gelu", "gelu")) != said:
            raise words.wrong("hidden_act", f"{said}, as in vision_config")
    activation = said or told.activation or "quick_gelu"
    clip = _clip(shapes, _HUGGINGFACE, shapes.size("visual_projection.weight", 0), activation, heads, told)
    tensors = list(huggingface_tensors(clip))
    assumed = not (said or told.activation)
    return DetectedFormat("Hugging Face's CLIP", clip, None, tensors, clip_names.leftover, assumed)


def _segmenter(shapes: _Shapes, told: _Told) -> DetectedFormat:
    names = _Names(*(f"{CLIP_PREFIX}{name}" for name in _OPENAI))
    names = names._replace(fc1=_OPENAI.fc1)
    embed = shapes.size(f"{CLIP_PREFIX}visual.proj", 1)
    clip = _clip(shapes, names, embed, told.activation or "quick_gelu", (0, 0), told)
    rotation = f"{CLIP_PREFIX}transformer.resblocks.0.attn_q_proj_oft_layer_R"
    block = shapes.size(rotation, 0) if rotation in shapes else 0
    architecture = published.architecture(clip, shapes.size, shapes.layers, block, shapes.where)
    tensors = (hclip_tensors if block else catseg_tensors)(architecture)
    kind = "the published H-CLIP" if block else "CAT-Seg"
    return DetectedFormat(kind, clip, architecture, list(tensors), hclip_names.leftover, False)
