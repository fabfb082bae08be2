"""Whole configurations, fields against each other, and the sentence that refuses what does not fit."""

import dataclasses
import json
from typing import Any

import pytest

from hclip_jax.config.build import to_dict
from hclip_jax.config.overrides import switch_method
from hclip_jax.config.validate import from_config_dict, from_dict
from hclip_jax.configs import catseg_vitb, tiny, vitb, vitl
from tests.config.micro_tree import put, refusal, walk
from tests.small_models import micro, micro_dict, mini


@pytest.mark.parametrize("module", [vitb, vitl, tiny, catseg_vitb])
def test_the_real_configurations_build(module: Any) -> None:
    c = module.get_config()
    c.clip.weights, c.data.root = "clip.safetensors", "images"
    config = from_config_dict(c)
    assert (config.clip.weights, config.data.root) == ("clip.safetensors", "images")
    assert to_dict(config) == json.loads(json.dumps(c.to_dict()))  # nothing added, nothing lost


@pytest.mark.parametrize("config", [micro(), mini(), from_config_dict(tiny.get_config())])
def test_a_configuration_survives_json(config: Any) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_a_configuration_cannot_be_changed() -> None:
    config = micro()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.train.num_train_steps = 5  # type: ignore[misc]
    given = micro_dict()
    config = from_config_dict(given)
    given.head.decoder_dims, given.evaluation.sets.val.root = (16, 16), "elsewhere"
    assert config == micro()


CONTRADICTIONS: list[tuple[dict[str, Any], str, str]] = [
    # changes, the field and value that the message names, what it allows
    ({"clip.image.num_heads": 3}, "config.clip.image.width is 16", "config.clip.image.num_heads = 3"),
    ({"clip.text.num_heads": 3}, "config.clip.text.width is 16", "config.clip.text.num_heads = 3"),
    ({"adapters.block_size": 5}, "config.clip.image.width is 16", "config.adapters.block_size = 5"),
    (
        {"adapters.block_size": 16, "clip.text.width": 8},
        "config.clip.text.width is 8",
        "config.adapters.block_size = 16",
    ),
    ({"adapters.method": "adapter"}, "config.adapters.method is 'adapter'", "one of hclip, none, full"),
    ({"adapters.layers": (1, 1)}, "config.adapters.layers is (1, 1)", "without repetition"),
    (
        {"adapters.layers": (3,)},
        "config.adapters.layers is (3,)",
        "numbers from 1 to 2, the layers of clip.text",
    ),
    (
        {"adapters.layers": (4,), "adapters.towers": ("image",)},
        "config.adapters.layers is (4,)",
        "numbers from 1 to 3, the layers of clip.image",
    ),
    ({"adapters.layers": (0,)}, "config.adapters.layers[0] is 0", "more than 0"),
    (
        {"adapters.parts": ("dcrc",), "adapters.orthogonal": ("text", "image")},
        "config.adapters.parts is ('dcrc',)",
        "leave one out of it, or add pop",
    ),
    (
        {"adapters.parts": ("dcrc",), "adapters.towers": ("text",)},
        "every tower of config.adapters.towers = ('text',) is in config.adapters.orthogonal",
        "or add pop",
    ),
    ({"adapters.neumann_terms": 1}, "config.adapters.neumann_terms is 1", "2 or more"),
    (
        {"adapters.method": "lora", "adapters.rank": 17},
        "config.adapters.rank is 17",
        "at most clip.image.width = 16",
    ),
    (
        {"adapters.method": "boft", "adapters.num_factors": 3},
        "config.adapters.num_factors is 3",
        "less, because the 2 blocks of clip.image.width, 8 wide, are no multiple of 2^(num_factors - 1)",
    ),
    (
        {"adapters.method": "boft", "adapters.num_factors": 4294967295},
        "config.adapters.num_factors is 4294967295",
        "less, because",
    ),
    ({"adapters.method": "boft", "adapters.block_size": 1}, "config.adapters.block_size is 1", "even"),
    (
        {"adapters.method": "none", "train.trainable": ("adapters",)},
        "config.train.trainable is ('adapters',)",
        "adapters.method none has none",
    ),
    ({"clip.image.image_size": 25}, "config.clip.image.image_size is 25", "clip.image.patch_size = 8"),
    ({"model.image_size": 36}, "config.model.image_size is 36", "config.clip.image.patch_size = 8"),
    ({"model.image_size": 4}, "config.model.image_size is 4", "config.clip.image.patch_size = 8"),
    ({"head.num_heads": 3}, "config.head.hidden_dim is 8", "config.head.num_heads = 3"),
    ({"head.window_size": 3}, "clip.image.patch_size is 4", "config.head.window_size = 3"),
    ({"train.pooling": 3}, "clip.image.patch_size is 4", "config.train.pooling = 3"),
    ({"evaluation.pooling": 8}, "clip.image.patch_size is 4", "config.evaluation.pooling = 8"),
    ({"head.guidance_layers": (1,)}, "config.head.guidance_layers is (1,)", "two numbers"),
    ({"head.decoder_dims": (8, 4, 2)}, "config.head.decoder_dims is (8, 4, 2)", "two numbers"),
    ({"head.decoder_guidance_dims": (8,)}, "config.head.decoder_guidance_dims is (8,)", "two numbers"),
    (
        {"head.decoder_guidance_proj_dims": ()},
        "config.head.decoder_guidance_proj_dims is ()",
        "two numbers",
    ),
    (
        {"head.decoder_guidance_proj_dims": (8, 4)},
        "config.head.decoder_guidance_proj_dims[0] is 8",
        "less than the 8 channels",
    ),
    (
        {"head.decoder_guidance_proj_dims": (4, 9)},
        "config.head.decoder_guidance_proj_dims[1] is 9",
        "less than the 8 channels",
    ),
    ({"head.prior_prob": 1.0}, "config.head.prior_prob is 1.0", "less than 1"),
    ({"head.decoder_dims": (50, 4)}, "config.head.decoder_dims[0] is 50", "a multiple of 16"),
    ({"head.decoder_dims": (32, 33)}, "config.head.decoder_dims[1] is 33", "a multiple of 16"),
    ({"head.guidance_layers": (1, 3)}, "config.head.guidance_layers is (1, 3)", "layers 1 to 2"),
    ({"train.warmup_steps": 4}, "config.train.warmup_steps is 4", "less than train.num_train_steps = 4"),
    ({"seed": 2**32}, "config.seed is 4294967296", "at most 4294967295"),
    ({"evaluation.canvas_size": 47}, "config.evaluation.canvas_size is 47", "must be 32 + n * 16"),
    ({"evaluation.canvas_size": 16}, "config.evaluation.canvas_size is 16", "must be 32 + n * 16"),
    (
        {"evaluation.stride": 33, "evaluation.canvas_size": 65},
        "config.evaluation.stride is 33",
        "at most data.crop_size = 32",
    ),
]


@pytest.mark.parametrize(("changes", "named", "allowed"), CONTRADICTIONS)
def test_fields_that_do_not_fit_each_other(changes: dict[str, Any], named: str, allowed: str) -> None:
    message = refusal(put(changes))
    assert named in message
    assert allowed in message


@pytest.mark.parametrize(
    "changes",
    [
        {"adapters.layers": (3,), "adapters.towers": ("image",)},
        {"adapters.layers": (2, 1), "adapters.targets": ("out",)},
        {"adapters.method": "none"},
        {"adapters.method": "full", "adapters.towers": ("image",)},
        {"adapters.method": "lora", "adapters.rank": 16},
        {"adapters.method": "boft", "adapters.num_factors": 2},
        {"adapters.method": "boft", "adapters.num_factors": 1, "adapters.block_size": 1},
        {"adapters.parts": ("dcrc",), "adapters.orthogonal": ()},
        {"adapters.parts": ("dcrc",), "adapters.towers": ("image",)},
        {"adapters.neumann_terms": 2},
        {"head.window_size": 4},
        {"head.window_size": 12},  # larger than the grid: cut to it
        {"train.pooling": 4},
        {"head.guidance_layers": (2, 1)},
        {"head.decoder_dims": (48, 31)},
        {"train.warmup_steps": 3},
        {"seed": 2**32 - 1},
        {"evaluation.canvas_size": 32},
        {"evaluation.stride": 32, "evaluation.canvas_size": 64},
        {"evaluation.sets": {}},
    ],
)
def test_extreme_values_that_are_valid(changes: dict[str, Any]) -> None:
    fields = dict(walk(to_dict(from_dict(put(changes)))))
    assert {path: fields[path] for path in changes} == json.loads(json.dumps(changes))  # kept as they are


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("hclip", "rank"),
        ("none", "towers"),
        ("full", "layers"),
        ("attention", "block_size"),
        ("lora", "coft_radius"),
        ("oft", "num_factors"),
        ("boft", "parts"),
    ],
)
def test_a_field_of_another_method_is_refused(method: str, field: str) -> None:
    message = refusal(put({"adapters.method": method, f"adapters.{field}": 8}))
    assert message.startswith(
        f"config.adapters.{field} is not a field; config.adapters, method {method}, has method"
    )


def test_switching_the_method_keeps_what_both_methods_have() -> None:
    changed = {"block_size": 8, "layers": [1], "orthogonal": ["text", "image"]}
    hclip = {"method": "hclip", "targets": ["query", "key", "value", "out"], **changed}
    assert switch_method(hclip, "oft") == {"method": "oft", "block_size": 8, "layers": [1]}
    # The default targets of H-CLIP are no choice of the configuration, so LoRA has its own.
    assert switch_method(hclip, "lora") == {"method": "lora", "layers": [1]}
    assert switch_method({**hclip, "targets": ["out"]}, "lora") == {
        "method": "lora",
        "layers": [1],
        "targets": ["out"],
    }
    assert switch_method(hclip, "none") == {"method": "none"}
    # Unknown fields and methods stay, to be refused.
    assert switch_method({**hclip, "blok": 3}, "none") == {"method": "none", "blok": 3}
    assert switch_method(hclip, "ofd") == {**hclip, "method": "ofd"}
