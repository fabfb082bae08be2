"""Floating-point operations of a program's matrix products and convolutions."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from hclip_jax.ops import backend

_PASSES = {jax.lax.Precision.HIGH: 3, jax.lax.Precision.HIGHEST: 6}


def count_flops(function: Callable[..., Any], *args: Any) -> float:
    """Counts the floating-point operations of `function(*args)`: 2 for each multiplication with its addition.

    XLA's `cost_analysis` counts the body of a loop once, however often it runs; here every iteration counts.
    Elementwise operations are left out, and the plain forms are counted where kernels run.

    Args:
        function: a function that `jax.jit` accepts.
        args: arrays, or `jax.ShapeDtypeStruct`s in their place.
    """
    with backend.use_kernels(False):  # a native kernel does not show its products
        return jaxpr_flops(jax.make_jaxpr(function)(*args).jaxpr)


def jaxpr_flops(jaxpr: Jaxpr, *, passes: bool = False) -> float:
    """Counts the floating-point operations of a traced program, as `count_flops`.

    Inside of `jax.shard_map` these are the operations of one device.

    Args:
        jaxpr: the program.
        passes: whether to count what a TPU's matrix unit computes. It multiplies bfloat16, so a product of
            float32 takes 6 passes at HIGHEST and 3 at HIGH; all others take one.
    """
    total = 0.0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        shapes = [getattr(v.aval, "shape", ()) for v in equation.invars]
        output_size = math.prod(getattr(equation.outvars[0].aval, "shape", ())) if equation.outvars else 0
        if name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            depth = math.prod(shapes[0][axis] for axis in contracted)
            total += 2.0 * depth * output_size * (_passes(equation) if passes else 1)
        elif name == "conv_general_dilated":
            out_features = shapes[1][params["dimension_numbers"].rhs_spec[0]]
            # The zeros between the inputs of a transposed convolution do not count.
            zeros = math.prod(params["lhs_dilation"])
            products = output_size * math.prod(shapes[1]) / out_features / zeros
            total += 2.0 * products * (_passes(equation) if passes else 1)
        elif name == "cond":
            total += max(jaxpr_flops(branch.jaxpr, passes=passes) for branch in params["branches"])
        else:
            iterations = _iterations(name, params)
            inner = (jaxpr_flops(jaxpr, passes=passes) for jaxpr in _inner_jaxprs(params))
            total += iterations * sum(inner)
    return total


def _passes(equation: JaxprEqn) -> int:
    if any(getattr(v.aval, "dtype", None) != jnp.float32 for v in equation.invars):
        return 1
    precision = equation.params["precision"] or ()
    return max((_PASSES.get(p, 1) for p in precision), default=1)


def _iterations(name: str, params: dict[str, Any]) -> int:
    """How often an operation runs the programs that it calls."""
    if name == "scan":
        return params["length"]
    return math.prod(params["grid_mapping"].grid) if name == "pallas_call" else 1


def _inner_jaxprs(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """The programs that an operation calls."""
    for value in params.values():
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value
