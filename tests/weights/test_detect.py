"""Detection from names and shapes alone, of published models of full size."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import pytest

from hclip_jax.config.schema import Architecture, ClipConfig, Config, ImageTower, TextTower
from hclip_jax.configs import vitb, vitl
from hclip_jax.errors import UserError
from hclip_jax.weights.detect import DetectedFormat, detect_format
from hclip_jax.weights.layouts import layout
from hclip_jax.weights.lazy_array import LazyArray
from hclip_jax.weights.reference_defaults import PROTOCOL
from hclip_jax.weights.weight_file import WeightFile
from tests.weights.published_shapes import full_size, hclip_vitb, openai_vitl, published_shapes


def fail_to_load() -> NoReturn:
    raise AssertionError("a value was loaded")


def weight_file(
    shapes: Mapping[str, Any], is_torchscript: bool = False, hf_config: Mapping[str, Any] | None = None
) -> WeightFile:
    """A file whose values cannot be loaded; all names of a shared adapter tensor have one object."""
    tensors, shared = {}, {}
    for name, shape in shapes.items():
        tensor = LazyArray(tuple(shape), np.dtype(np.float32), fail_to_load)
        _, marker, shared_name = name.partition(".attn_q_proj_oft_")
        tensors[name] = shared.setdefault(shared_name, tensor) if marker else tensor
    return WeightFile(Path("weights"), tensors, is_torchscript, hf_config or {})


def detect_and_check(file: WeightFile, **options: Any) -> DetectedFormat:
    """The detected format, whose name table must fit the file."""
    detected = detect_format(file, **options)
    layout.check(detected.tensors, file.tensors, "weights", detected.is_buffer)
    return detected


def without_weights(config: Config) -> Architecture:
    return dataclasses.replace(config.architecture, clip=dataclasses.replace(config.clip, weights=""))


def test_openai_vitl() -> None:
    detected = detect_and_check(weight_file(openai_vitl(), is_torchscript=True))
    assert detected.kind == "OpenAI's CLIP"
    assert detected.clip == without_weights(full_size(vitl)).clip
    assert detected.architecture is None


def test_openclip_vit_h() -> None:
    shapes = published_shapes("OpenCLIP ViT-H-14")
    assert len(shapes) == 686
    image, text = ImageTower(32, 1280, 16, 4.0, 14, 224), TextTower(24, 1024, 16, 4.0, 49408, 77)
    assert detect_and_check(weight_file(shapes)).clip == ClipConfig("", 1024, "gelu", image, text)


def test_openclip_vit_bigg() -> None:
    shapes = published_shapes("OpenCLIP ViT-bigG-14")
    assert len(shapes) == 974
    clip = detect_and_check(weight_file(shapes)).clip
    assert round(clip.image.mlp_ratio * clip.image.width) == 8192
    image = ImageTower(48, 1664, 16, 8192 / 1664, 14, 224)
    assert clip == ClipConfig("", 1280, "gelu", image, TextTower(32, 1280, 20, 4.0, 49408, 77))


@pytest.mark.parametrize(("width", "num_heads"), [(1408, 16), (1792, 16), (896, 14), (384, 6)])
def test_heads_of_other_openclip_image_towers(width: int, num_heads: int) -> None:
    shapes = {
        name: [width if n == 768 else 3 * width if n == 2304 else n for n in shape]
        for name, shape in published_shapes("CAT-Seg ViT-B/16").items()
    }
    prefix = "sem_seg_head.predictor.clip_model."
    clip = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    assert detect_format(weight_file(clip)).clip.image.num_heads == num_heads


@pytest.mark.parametrize(
    ("name", "module"), [("CAT-Seg ViT-B/16", vitb), ("CAT-Seg ViT-L/14@336", vitl), ("H-CLIP", vitb)]
)
def test_published_segmenters_have_the_architecture_of_our_configs(name: str, module: ModuleType) -> None:
    if name == "H-CLIP":
        parameters, buffers = hclip_vitb()
        masks = published_shapes("CAT-Seg ViT-B/16")
        shapes = parameters | {buffer: masks.get(buffer, []) for buffer in buffers}
    else:
        shapes = published_shapes(name)
    detected = detect_and_check(weight_file(shapes))
    assert detected.kind == ("the published H-CLIP" if name == "H-CLIP" else "CAT-Seg")
    assert detected.architecture == without_weights(full_size(module))
    assert full_size(module).protocol == PROTOCOL
    parts = {part.path.split("/")[0] for tensor in detected.tensors for part in tensor.parts}
    assert parts == {"clip", "head"} | ({"adapters"} if name == "H-CLIP" else set())


@pytest.mark.parametrize(("name", "module"), [("CAT-Seg ViT-B/16", vitb), ("CAT-Seg ViT-L/14@336", vitl)])
def test_parameters_alone_have_the_published_window_and_grid(name: str, module: ModuleType) -> None:
    shapes = {n: shape for n, shape in published_shapes(name).items() if not n.endswith("attn_mask")}
    detected = detect_and_check(weight_file(shapes))
    assert detected.architecture == without_weights(full_size(module))
    assert detected.published == "windows of 12 on a grid of 24 as published, because no attn_mask is there"
    assert detect_and_check(weight_file(published_shapes(name))).published == ""


def test_the_activation_of_published_segmenters_is_assumed() -> None:
    shapes = published_shapes("CAT-Seg ViT-B/16")
    assert detect_format(weight_file(shapes)).activation_assumed
    assert not detect_format(weight_file(shapes), activation="quick_gelu").activation_assumed


def test_a_tower_of_too_many_layers_is_refused_before_its_names_are_listed() -> None:
    first = {n: s for n, s in openai_vitl().items() if ".resblocks.0.ln_1" in n}
    more = {n.replace(".0.ln_1", f".{i}.ln_1"): [0] for n in first for i in range(1001)}
    with pytest.raises(UserError, match=r"has 1,001 layers .*resblocks.0, .1, ...; at most 1000"):
        detect_format(weight_file(openai_vitl() | more))


OPENCLIP_CONFIG = {"model_cfg": {"vision_cfg": {"width": 1024}, "text_cfg": {"heads": 6, "width": 768}}}


@pytest.mark.parametrize(
    ("is_torchscript", "has_buffer", "hf_config", "options", "activation", "num_heads"),
    [
        (True, False, {}, {}, "quick_gelu", (16, 12)),
        (True, False, {}, {"activation": "gelu"}, "quick_gelu", (16, 12)),
        (False, True, {}, {"activation": "gelu"}, "quick_gelu", (16, 12)),
        (False, False, {}, {}, "gelu", (16, 12)),
        (False, False, {}, {"activation": "quick_gelu"}, "quick_gelu", (16, 12)),
        (False, False, OPENCLIP_CONFIG, {"activation": "quick_gelu"}, "gelu", (16, 6)),
        (False, False, {"model_cfg": {"quick_gelu": True}}, {}, "quick_gelu", (16, 12)),
        (False, False, {"model_cfg": {"vision_cfg": {"head_width": 128}}}, {}, "gelu", (8, 12)),
        (False, False, {"model_cfg": {"text_cfg": {"width": 768}}}, {}, "gelu", (16, 8)),
        (False, False, {}, {"like": without_weights(full_size(vitl)).clip}, "quick_gelu", (16, 12)),
    ],
)
def test_precedence_for_activation_and_heads(
    is_torchscript: bool,
    has_buffer: bool,
    hf_config: Mapping[str, Any],
    options: Mapping[str, Any],
    activation: str,
    num_heads: tuple[int, int],
) -> None:
    shapes = openai_vitl() | ({"input_resolution": []} if has_buffer else {})
    clip = detect_and_check(weight_file(shapes, is_torchscript, hf_config), **options).clip
    assert clip.activation == activation
    assert (clip.image.num_heads, clip.text.num_heads) == num_heads


def openai_resnet() -> dict[str, list[int]]:
    """OpenAI's RN50 in part: the image tower starts with a convolution that is no patch embedding."""
    shapes = {name: shape for name, shape in openai_vitl().items() if not name.startswith("visual.")}
    return shapes | {"visual.conv1.weight": [32, 3, 3, 3], "visual.attnpool.positional_embedding": [50, 2048]}


@pytest.mark.parametrize(
    ("shapes", "fragments"),
    [
        ({"encoder.0.weight": [2, 2], "a": [], "b": []}, ("a, b, encoder.0.weight", "no model of a known")),
        (openai_resnet(), ("no model of a known format", "ViT")),
        (openai_vitl() | {"visual.conv1.weight": [1024]}, ("visual.conv1.weight has the shape (1024,)",)),
        (openai_vitl() | {"visual.conv1.weight": [0, 3, 14, 14]}, ("size 0",)),
        (openai_vitl() | {"visual.conv1.weight": [1000, 3, 14, 14]}, ("width 1000", "config.json")),
        (
            {n: s for n, s in openai_vitl().items() if n != "visual.proj"},
            ("visual.proj is missing, so the size",),
        ),
        (
            {n: s for n, s in openai_vitl().items() if ".resblocks.3." not in n},
            ("a layer of visual.transformer.resblocks.0, .1, ... is missing",),
        ),
        (
            published_shapes("CAT-Seg ViT-B/16")
            | {"sem_seg_head.predictor.transformer.conv1.weight": [128, 80, 7, 7]},
            ("80 prompts a class", "A photo of a {} in the scene"),
        ),
    ],
)
def test_unknown_models_are_refused(shapes: Mapping[str, Any], fragments: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        detect_format(weight_file(shapes))
    message = str(error.value)
    assert message.startswith("weights")
    assert message.isprintable()
    assert all(fragment in message for fragment in fragments), message


def test_adapters_of_block_size_0_do_not_fit() -> None:
    parameters, buffers = hclip_vitb()
    masks = published_shapes("CAT-Seg ViT-B/16")
    shapes = parameters | {buffer: masks.get(buffer, []) for buffer in buffers}
    shapes |= {name: [0, *shape[1:]] for name, shape in shapes.items() if name.endswith("oft_layer_R")}
    with pytest.raises(UserError, match="weights does not fit the model"):
        detect_and_check(weight_file(shapes))
