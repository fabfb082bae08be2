"""Valid configurations, and the sentence that refuses every other one."""

import copy
import dataclasses
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hclip_jax.config.build import changed_fields, to_dict
from hclip_jax.config.overrides import switch_method
from hclip_jax.config.validate import from_config_dict, from_dict
from hclip_jax.configs import tiny, vitb, vitl
from hclip_jax.errors import UserError
from tests.small_models import micro, micro_dict, mini

MICRO = to_dict(micro())


def walk(tree: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field with its path, groups too."""
    for name, value in tree.items():
        yield f"{path}{name}", value
        if isinstance(value, dict):
            yield from walk(value, f"{path}{name}.")


GROUPS = [path for path, value in walk(MICRO) if isinstance(value, dict)]
LEAVES = [(path, value) for path, value in walk(MICRO) if not isinstance(value, dict)]
ZERO_ALLOWED = {
    "seed",
    "adapters.coft_radius",
    "head.prior_prob",
    "data.num_workers",
    "train.warmup_steps",
    "train.lr_multipliers.clip",
    "train.lr_multipliers.adapters",
    "train.lr_multipliers.head",
    "train.weight_decay",
    "train.evaluate_every",
    "evaluation.num_images",
    "evaluation.num_overlays",
    "evaluation.sets.val.fold_background",
}


def put(changes: dict[str, Any]) -> dict[str, Any]:
    """The micro configuration with the values at these paths."""
    tree = copy.deepcopy(MICRO)
    if changes.get("adapters.method", "hclip") != "hclip":
        tree["adapters"] = switch_method(tree["adapters"], changes["adapters.method"])
    for path, value in changes.items():
        *groups, name = path.split(".")
        node = tree
        for group in groups:
            node = node[group]
        node[name] = value
    return tree


def refusal(tree: dict[str, Any]) -> str:
    """The sentence that refuses a configuration."""
    with pytest.raises(UserError) as caught:
        from_dict(tree)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("module", [vitb, vitl, tiny])
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


CHOICES = {
    "clip.activation": ("quick_gelu", "gelu"),
    "adapters.method": ("hclip", "none", "full", "attention", "lora", "oft", "boft"),
    "adapters.relation": ("linear", "mlp"),
    "adapters.cayley": ("solve", "neumann"),
    "model.dtype": ("float32", "bfloat16"),
    "model.head_dtype": ("float32", "bfloat16"),
    "model.tower_remat_policy": ("none", "dots", "full"),
    "model.head_remat_policy": ("none", "dots", "full"),
    "prompts.synonyms": ("first", "mean"),
    "train.unlabeled": ("negative", "ignore"),
    "evaluation.protocol": ("sliding", "single"),
}
CHOICE_LISTS = (
    "adapters.towers",
    "adapters.targets",
    "adapters.orthogonal",
    "adapters.parts",
    "train.trainable",
)
# The classes of the tuning methods have defaults.
OPTIONAL = {f"adapters.{name}" for name in MICRO["adapters"]} - {"adapters.method"}


@pytest.mark.parametrize(
    "path", [path for path, _ in walk(MICRO) if path not in {"evaluation.sets.val"} | OPTIONAL]
)
def test_every_missing_field_is_named(path: str) -> None:
    tree = copy.deepcopy(MICRO)
    node, *names = tree, *path.split(".")
    for group in names[:-1]:
        node = node[group]
    del node[names[-1]]
    assert refusal(tree).startswith(f"config.{path} is missing;")


@pytest.mark.parametrize("path", [path for path, _ in LEAVES])
def test_a_misspelt_field_is_named_with_the_fields_there_are_and_the_nearest(path: str) -> None:
    *_, name = path.split(".")
    group = ".".join(["config", *path.split(".")[:-1]])
    message = refusal(put({f"{path}s": 1}))
    method = ", method hclip," if group == "config.adapters" else ""
    assert message.startswith(f"config.{path}s is not a field; {group}{method} has ")
    assert message.endswith(f"did you mean {name}?")


def test_no_guess_for_a_field_like_no_other() -> None:
    message = refusal(put({"train.qqq": 1}))
    assert "config.train.qqq is not a field" in message
    assert "did you mean" not in message


def wrong_types() -> Iterator[tuple[str, Any, str]]:
    for path, value in LEAVES:
        if isinstance(value, bool):
            yield from ((path, bad, "True or False") for bad in (1, "true", None))
        elif isinstance(value, int):
            yield from ((path, bad, "a whole number") for bad in (True, 1.5, 2.0, "3", None))
        elif isinstance(value, float):
            yield from ((path, bad, "a number") for bad in (True, "1e-3", None))
        elif isinstance(value, str):
            allowed = "one of" if path in CHOICES else "text"
            yield from ((path, bad, allowed) for bad in (3, 0.1, None, ("a",)))
        else:
            yield from ((path, bad, "a tuple") for bad in (3, "ab", None))
            numbers = path == "adapters.layers" or isinstance(next(iter(value), ""), int)
            other, allowed = ("a", "a whole number") if numbers else (3, "text")
            if path in CHOICE_LISTS:
                allowed = "one of"
            tree_value = [*value[:-1], other]
            yield f"{path}[{len(tree_value) - 1}]", tree_value, allowed
    for path in GROUPS:
        yield path, 3, "a mapping of names" if path == "evaluation.sets" else "a group of fields"


@pytest.mark.parametrize(("path", "bad", "allowed"), list(wrong_types()))
def test_wrong_types_are_refused_with_path_value_and_what_is_allowed(
    path: str, bad: Any, allowed: str
) -> None:
    message = refusal(put({re.sub(r"\[\d+\]$", "", path): bad}))
    found = bad[-1] if path.endswith("]") else bad
    assert message.startswith(f"config.{path} is {found!r}; it must be {allowed}")


def test_a_whole_number_does_for_a_number() -> None:
    rate = from_dict(put({"train.learning_rate": 1})).train.learning_rate
    assert (rate, type(rate)) == (1.0, float)


@pytest.mark.parametrize(("path", "allowed"), CHOICES.items())
def test_choices(path: str, allowed: tuple[str, ...]) -> None:
    for choice in allowed:
        from_dict(put({path: choice}))
    for bad in ("", "other", allowed[0].upper()):
        assert refusal(put({path: bad})) == (
            f"config.{path} is {bad!r}; it must be one of {', '.join(allowed)}"
        )


@pytest.mark.parametrize(
    ("path", "bad", "allowed"),
    [
        ("train.trainable", ("head", "text"), "one of clip, adapters, head"),
        ("train.trainable", (), "at least one part"),
        ("train.trainable", ("head", "head"), "each once"),
        ("prompts.templates", (), "at least one template"),
        ("adapters.towers", ("text", "vision"), "one of text, image"),
        ("adapters.towers", (), "at least one of text, image, or method none"),
        ("adapters.towers", ("text", "text"), "without repetition"),
        ("adapters.targets", ("query", "q"), "one of query, key, value, out"),
        ("adapters.targets", ("out", "out"), "without repetition"),
        ("adapters.targets", (), "at least one of query, key, value, out"),
        ("adapters.orthogonal", ("vision",), "one of text, image"),
        ("adapters.parts", ("pop", "cayley"), "one of pop, dcrc"),
        ("adapters.parts", (), "at least one of pop, dcrc"),
    ],
)
def test_lists_of_choices(path: str, bad: tuple[str, ...], allowed: str) -> None:
    message = refusal(put({path: bad}))
    assert message.startswith((f"config.{path} is ", f"config.{path}[{len(bad) - 1}] is "))
    assert allowed in message


NUMBERS = [
    (path, value) for path, value in LEAVES if isinstance(value, (int, float)) and not isinstance(value, bool)
]


@pytest.mark.parametrize(("path", "value"), NUMBERS)
def test_every_number_has_a_least_value(path: str, value: float) -> None:
    allowed = "0 or more" if path in ZERO_ALLOWED else "more than 0"
    bads: list[float] = [-1, -100]
    if isinstance(value, float):
        bads += [-1e-9, math.nan]
    for bad in bads:
        found = float(bad) if isinstance(value, float) else bad
        assert refusal(put({path: bad})) == f"config.{path} is {found!r}; it must be {allowed}"
    if path in ZERO_ALLOWED:
        from_dict(put({path: 0}))
    else:
        assert "it must be more than 0" in refusal(put({path: 0}))


def test_numbers_of_tuples_have_a_least_value_too() -> None:
    for path, value in LEAVES:
        if isinstance(value, list) and value and isinstance(value[0], int):
            message = refusal(put({path: [value[0], 0]}))
            assert message == f"config.{path}[1] is 0; it must be more than 0"


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
    from_dict(put(changes))


@pytest.mark.parametrize(("path", "value"), LEAVES)
def test_changed_fields_names_exactly_what_differs(path: str, value: Any) -> None:
    assert changed_fields(MICRO, put({path: "other"})) == [path]
    assert changed_fields(MICRO, put({path: copy.copy(value)})) == []


def test_changed_fields_of_several_and_of_whole_groups() -> None:
    both = put({"train.num_train_steps": 5, "seed": 3})
    assert changed_fields(MICRO, both) == ["seed", "train.num_train_steps"]
    without = {name: value for name, value in MICRO.items() if name != "head"}
    assert changed_fields(without, MICRO) == changed_fields(MICRO, without) == ["head"]


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
