"""OFT, BOFT and LoRA against huggingface/peft's own layers (numbers by peft/make_numbers.py)."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from hclip_jax.adapters.methods import make_method
from hclip_jax.config.adapters import TARGETS
from tests import tolerance
from tests.small_models import micro_tuned

NUMBERS = np.load(Path(__file__).parent / "peft" / "numbers.npz")
BLOCK = 4


def merged(adapters: Any, **fields: Any) -> np.ndarray:
    """The weight [out, in] after one layer's query is tuned; `out` gets the same weight."""
    kernel = jnp.asarray(NUMBERS["weight"].T, jnp.float32)[None]
    clip = {"text": {"blocks": {"attention": {name: {"kernel": kernel} for name in TARGETS}}}}
    if fields["method"] != "lora":
        fields["block_size"] = BLOCK
    config = micro_tuned(towers=("text",), targets=("query", "out"), layers=(1,), **fields).adapters
    found = make_method(config).apply(clip, {"text": adapters})["text"]["blocks"]["attention"]
    tolerance.assert_same(found["out"]["kernel"], found["query"]["kernel"])
    return np.asarray(found["query"]["kernel"][0]).T


def twice(value: np.ndarray) -> jnp.ndarray:
    """[1 layer, 2 matrices, ...] of the same values."""
    return jnp.asarray(np.stack([value, value])[None], jnp.float32)


def generators(case: str) -> np.ndarray:
    """From the upper triangles of S that peft stores, row by row: [M, b (b - 1) / 2] -> [M, b, b]."""
    triangle = NUMBERS[f"{case}/oft_R"]
    upper = np.zeros((len(triangle), BLOCK, BLOCK))
    upper[:, *np.triu_indices(BLOCK, 1)] = triangle
    return upper - upper.swapaxes(1, 2)


def test_oft_by_the_series_turns_as_ours() -> None:
    """Six terms, all of which are seen: the same weight, and another one by five or by the solve."""
    a, want = twice(generators("oft_neumann")), NUMBERS["oft_neumann/merged"]
    fields = {"method": "oft", "cayley": "neumann"}
    tolerance.assert_within(merged(a, neumann_terms=6, **fields), want, 1e-5)
    assert np.abs(merged(a, neumann_terms=5, **fields) - want).max() > 1e-3
    assert np.abs(merged(a, method="oft") - want).max() > 1e-3


def test_oft_by_the_exact_solve_turns_the_other_way() -> None:
    """The exact path of peft is the transpose of its series, hence ours of the negated generators."""
    s, want = generators("oft_exact"), NUMBERS["oft_exact/merged"]
    tolerance.assert_within(merged(twice(-s), method="oft"), want, 1e-5)
    assert np.abs(merged(twice(s), method="oft") - want).max() > 0.1


def test_coft_has_the_radius_of_a_block() -> None:
    """In peft it is eps over the root of the number of blocks."""
    s, want = generators("oft_coft"), NUMBERS["oft_coft/merged"]
    radius = 0.5 / np.sqrt(len(s))
    assert np.linalg.norm(s, axis=(1, 2)).max() > 2 * radius
    tolerance.assert_within(merged(twice(-s), method="oft", coft_radius=radius), want, 1e-5)


@pytest.mark.parametrize("factors", [1, 2, 3])
def test_boft_turns_the_other_way(factors: int) -> None:
    """A product's transpose is that of its factors in reverse: ours of the negated generators."""
    r, want = NUMBERS[f"boft_{factors}/boft_R"], NUMBERS[f"boft_{factors}/merged"]
    assert (NUMBERS[f"boft_{factors}/boft_s"] == 1).all()
    tolerance.assert_within(merged(twice(-r), method="boft", num_factors=factors), want, 1e-5)
    assert np.abs(merged(twice(r), method="boft", num_factors=factors) - want).max() > 0.1


def test_lora() -> None:
    """A of peft is [rank, in] and B [out, rank], the transposes of ours."""
    a, b = NUMBERS["lora/lora_A"], NUMBERS["lora/lora_B"]
    adapters = {"a": twice(a.T), "b": twice(b.T)}
    want = NUMBERS["lora/merged"]
    tolerance.assert_within(merged(adapters, method="lora", rank=3, alpha=6.0), want, 1e-5)
    assert np.abs(merged(adapters, method="lora", rank=3, alpha=3.0) - want).max() > 1e-2
