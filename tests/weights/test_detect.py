"""What a file holds is found from names and shapes alone: those of models of full size, as published."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import pytest

from hclip_jax.config.schema import Architecture, ClipConfig, Config, ImageTower, TextTower
from hclip_jax.config.validate import from_config_dict
from hclip_jax.configs import vitb, vitl
from hclip_jax.errors import UserError
from hclip_jax.weights.detect import DetectedFormat, detect_format
from hclip_jax.weights.layouts.layout import check
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.reference_defaults import PROTOCOL
from hclip_jax.weights.weight_file import WeightFile

HERE = Path(__file__).parent


def unread() -> NoReturn:
    raise AssertionError("a value was read")


def weight_file(
    shapes: Mapping[str, Any], scripted: bool = False, settings: Mapping[str, Any] | None = None
) -> WeightFile:
    """A file of tensors that must not be read; all adapters' tensors of one name are one, as published."""
    tensors, shared = {}, {}
    for name, shape in shapes.items():
        tensor = LazyArray(tuple(shape), np.dtype(np.float32), unread)
        _, mark, common = name.partition(".attn_q_proj_oft_")
        tensors[name] = shared.setdefault(common, tensor) if mark else tensor
    return WeightFile(Path("weights"), tensors, scripted, settings or {})


def published(name: str) -> dict[str, list[int]]:
    """Shapes by name of a published state dict; `*` in the file stands for the numbers of all layers."""
    model = json.loads((HERE / "published_shapes.json").read_text())[name]
    shapes = {}
    for pattern, shape in model["tensors"].items():
        layers = next((n for prefix, n in model["layers"].items() if pattern.startswith(f"{prefix}.*")), 1)
        shapes |= {pattern.replace("*", str(i)): shape for i in range(layers)}
    return shapes


def openai_vitl() -> dict[str, list[int]]:
    return json.loads((HERE / "openai_vitl.json").read_text())


def checked(file: WeightFile, **told: Any) -> DetectedFormat:
    """What is recognised, its table found to fit the file."""
    found = detect_format(file, **told)
    check(found.tensors, file.tensors, "weights", found.leftover)
    return found


def full_size(module: ModuleType) -> Config:
    c = module.get_config()
    c.clip.weights, c.data.root = "random", "scenes"
    return from_config_dict(c)


def without_weights(config: Config) -> Architecture:
    clip = dataclasses.replace(config.clip, weights="")
    return Architecture(clip, config.adapters, config.head, config.model, config.prompts)


def test_openai_vitl() -> None:
    found = checked(weight_file(openai_vitl(), scripted=True))
    assert found.kind == "OpenAI's CLIP"
    assert found.clip == without_weights(full_size(vitl)).clip
    assert found.architecture is None


def test_openclip_vit_h() -> None:
    shapes = published("OpenCLIP ViT-H-14")
    assert len(shapes) == 686
    image, text = ImageTower(32, 1280, 16, 4.0, 14, 224), TextTower(24, 1024, 16, 4.0, 49408, 77)
    assert checked(weight_file(shapes)).clip == ClipConfig("", 1024, "gelu", image, text)


def test_openclip_vit_bigg() -> None:
    shapes = published("OpenCLIP ViT-bigG-14")
    assert len(shapes) == 974
    clip = checked(weight_file(shapes)).clip
    assert round(clip.image.mlp_ratio * clip.image.width) == 8192
    image = ImageTower(48, 1664, 16, 8192 / 1664, 14, 224)
    assert clip == ClipConfig("", 1280, "gelu", image, TextTower(32, 1280, 20, 4.0, 49408, 77))


@pytest.mark.parametrize(("width", "heads"), [(1408, 16), (1792, 16), (896, 14), (384, 6)])
def test_heads_of_openclips_other_image_towers(width: int, heads: int) -> None:
    shapes = {
        name: [width if n == 768 else 3 * width if n == 2304 else n for n in shape]
        for name, shape in published("CAT-Seg ViT-B/16").items()
    }
    prefix = "sem_seg_head.predictor.clip_model."
    clip = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    assert detect_format(weight_file(clip)).clip.image.num_heads == heads


@pytest.mark.parametrize(
    ("name", "module"), [("CAT-Seg ViT-B/16", vitb), ("CAT-Seg ViT-L/14@336", vitl), ("H-CLIP", vitb)]
)
def test_published_segmenters_are_what_our_configurations_say(name: str, module: ModuleType) -> None:
    if name == "H-CLIP":
        described = json.loads((HERE / "hclip_vitb.json").read_text())
        mask = published("CAT-Seg ViT-B/16")
        shapes = described["parameters"] | {n: mask.get(n, []) for n in described["buffers"]}
    else:
        shapes = published(name)
    found = checked(weight_file(shapes))
    assert found.kind == ("the published H-CLIP" if name == "H-CLIP" else "CAT-Seg")
    assert found.architecture == without_weights(full_size(module))
    assert full_size(module).protocol == PROTOCOL
    held = {part.leaf.split("/")[0] for tensor in found.tensors for part in tensor.parts}
    assert held == {"clip", "head"} | ({"adapters"} if name == "H-CLIP" else set())


OPENCLIP_CONFIG = {"model_cfg": {"vision_cfg": {"width": 1024}, "text_cfg": {"heads": 6, "width": 768}}}


@pytest.mark.parametrize(
    ("scripted", "buffer", "settings", "told", "activation", "heads"),
    [
        (True, False, {}, {}, "quick_gelu", (16, 12)),
        (True, False, {}, {"activation": "gelu"}, "quick_gelu", (16, 12)),
        (False, True, {}, {"activation": "gelu"}, "quick_gelu", (16, 12)),
        (False, False, {}, {}, "gelu", (16, 12)),
        (False, False, {}, {"activation": "quick_gelu"}, "quick_gelu", (16, 12)),
        (False, False, OPENCLIP_CONFIG, {"activation": "quick_gelu"}, "gelu", (16, 6)),
        (False, False, {"model_cfg": {"quick_gelu": True}}, {}, "quick_gelu", (16, 12)),
        (False, False, {}, {"like": without_weights(full_size(vitl)).clip}, "quick_gelu", (16, 12)),
    ],
)
def test_where_activation_and_heads_come_from(
    scripted: bool,
    buffer: bool,
    settings: Mapping[str, Any],
    told: Mapping[str, Any],
    activation: str,
    heads: tuple[int, int],
) -> None:
    shapes = openai_vitl() | ({"input_resolution": []} if buffer else {})
    clip = checked(weight_file(shapes, scripted, settings), **told).clip
    assert clip.activation == activation
    assert (clip.image.num_heads, clip.text.num_heads) == heads


def openai_resnet() -> dict[str, list[int]]:
    """The image tower of OpenAI's RN50 in part: a convolution where a ViT has its patches."""
    shapes = {name: shape for name, shape in openai_vitl().items() if not name.startswith("visual.")}
    return shapes | {"visual.conv1.weight": [32, 3, 3, 3], "visual.attnpool.positional_embedding": [50, 2048]}


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"encoder.0.weight": [2, 2], "a": [], "b": []}, ("encoder.0.weight", "no model that is known")),
        (openai_resnet(), ("no model that is known", "ViT")),
        (openai_vitl() | {"visual.conv1.weight": [1024]}, ("visual.conv1.weight has the shape (1024,)",)),
        (openai_vitl() | {"visual.conv1.weight": [0, 3, 14, 14]}, ("size 0",)),
        (openai_vitl() | {"visual.conv1.weight": [1000, 3, 14, 14]}, ("width 1000", "config.json")),
        ({n: s for n, s in openai_vitl().items() if ".resblocks.3." not in n}, ("not complete",)),
        (
            published("CAT-Seg ViT-B/16")
            | {"sem_seg_head.predictor.transformer.conv1.weight": [128, 80, 7, 7]},
            ("80 prompts a class", "A photo of a {} in the scene"),
        ),
    ],
)
def test_what_is_not_known_is_said(shapes: Mapping[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        detect_format(weight_file(shapes))
    message = str(error.value)
    assert message.startswith("weights")
    assert message.isprintable()
    assert all(word in message for word in words), message
