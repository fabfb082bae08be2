"""Single fields: types, choices, ranges, and the sentence that refuses every other value."""

import copy
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hclip_jax.config.build import changed_fields
from hclip_jax.config.validate import from_dict
from tests.config.micro_tree import GROUPS, LEAVES, MICRO, put, refusal, walk

ZERO_ALLOWED = {
    "seed",
    "adapters.coft_radius",
    "head.prior_prob",
    "data.num_workers",
    "train.microbatch",
    "train.checkpoint_minutes",
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
    "train.log_to",
)
# The classes of the tuning methods have defaults.
OPTIONAL = {f"adapters.{name}" for name in MICRO["adapters"]} - {"adapters.method"}
OPTIONAL |= {"start", "evaluation.suite", "data.ignore", "train.best_metric", "train.log_to"}
OPTIONAL |= {f"data.{name}" for name in ("images", "labels", "colour_map")}
OPTIONAL |= {f"evaluation.sets.val.{name}" for name in ("ignore", "images", "labels", "colour_map")}


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
            holds_numbers = path == "adapters.layers" or path.endswith(".ignore")
            numbers = holds_numbers or isinstance(next(iter(value), ""), int)
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


@pytest.mark.parametrize(("path", "value"), LEAVES)
def test_changed_fields_names_exactly_what_differs(path: str, value: Any) -> None:
    assert changed_fields(MICRO, put({path: "other"})) == [path]
    assert changed_fields(MICRO, put({path: copy.copy(value)})) == []


def test_changed_fields_of_several_and_of_whole_groups() -> None:
    both = put({"train.num_train_steps": 5, "seed": 3})
    assert changed_fields(MICRO, both) == ["seed", "train.num_train_steps"]
    without = {name: value for name, value in MICRO.items() if name != "head"}
    assert changed_fields(without, MICRO) == changed_fields(MICRO, without) == ["head"]
