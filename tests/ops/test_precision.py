"""What is said to be float32 is float32 on a TPU."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.lax import Precision

from hclip_jax.analysis.compile.programs import trace_step
from hclip_jax.ops import precision
from hclip_jax.ops.backend import compiled_for
from hclip_jax.sharding import make_mesh
from tests.small_models import micro


def products(jaxpr: Any) -> Iterator[Any]:
    """The matrix products and convolutions of a program, inner programs included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield equation
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from products(inner)


@pytest.fixture(scope="module")
def of_the_step() -> list[Any]:
    config = micro()
    # Not that of the tests, under which every product says "highest".
    with compiled_for("tpu"), jax.default_matmul_precision("default"):
        return list(products(trace_step(config, 5, make_mesh(2, batch_size=2)).traced.jaxpr.jaxpr))


def of_function(equations: list[Any], file: str, function: str) -> list[Any]:
    return [
        e
        for e in equations
        if any(
            f.file_name.endswith(file) and f.function_name == function for f in e.source_info.traceback.frames
        )
    ]


@pytest.mark.parametrize(
    ("file", "function"),
    [
        ("head/cost_volume.py", "_cosines"),
        ("head/head.py", "Aggregator._embed"),
        ("ops/resize.py", "bilinear_align_corners"),
        ("ops/inverse.py", "matmul_highest"),
    ],
)
def test_products_that_stay_float32(of_the_step: list[Any], file: str, function: str) -> None:
    found = of_function(of_the_step, file, function)
    assert found
    assert {e.params["precision"] for e in found} == {(Precision.HIGHEST,) * 2}


def test_the_logits_stay_float32(of_the_step: list[Any]) -> None:
    found = [
        e
        for e in of_function(of_the_step, "head/decoder.py", "Decoder.__call__")
        if 1 in e.outvars[0].aval.shape
    ]
    convolutions = [e for e in found if e.primitive.name == "conv_general_dilated"]
    assert any(e.params["precision"] == (Precision.HIGHEST,) * 2 for e in convolutions)


def test_kernels_have_16_bits_on_a_tpu(of_the_step: list[Any]) -> None:
    for file, function in (("rotate.py", "rotate_input"), ("relations.py", "_layer_relation")):
        found = of_function(of_the_step, f"adapters/{file}", function)
        assert found
        assert {e.params["precision"] for e in found} == {(Precision.HIGH,) * 2}


@pytest.mark.parametrize(
    ("platform", "want"), [("tpu", Precision.HIGH), ("gpu", Precision.HIGHEST), (None, Precision.HIGHEST)]
)
def test_16_bits_by_platform(platform: str | None, want: Precision) -> None:
    with compiled_for(platform):
        assert precision.of_16_bits() == want


def test_a_jitted_function_is_traced_again_for_another_platform() -> None:
    function = jax.jit(lambda x: jnp.matmul(x, x, precision=precision.of_16_bits()))
    x = jnp.ones((2, 2))
    texts = [function.lower(x).as_text()]
    with compiled_for("tpu"):
        texts.append(function.trace(x).lower(lowering_platforms=("tpu",)).as_text())
    assert ["HIGHEST" in text for text in texts] == [True, False]
