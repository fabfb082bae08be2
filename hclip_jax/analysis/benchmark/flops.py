"""Floating-point operations of a program's matrix products and convolutions."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr


def count_flops(function: Callable[..., Any], *args: Any) -> float:
    """Counts the floating-point operations of `function(*args)`: 2 for each multiplication with its addition.

    XLA's `cost_analysis` counts the body of a loop once, however often it runs; here every iteration counts.
    Elementwise operations are left out.

    Args:
        function: a function that `jax.jit` accepts.
        args: arrays, or `jax.ShapeDtypeStruct`s in their place.
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr)


def _count(jaxpr: Jaxpr) -> float:
    total = 0.0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        shapes = [getattr(v.aval, "shape", ()) for v in equation.invars]
        output_size = math.prod(getattr(equation.outvars[0].aval, "shape", ())) if equation.outvars else 0
        if name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            depth = math.prod(shapes[0][axis] for axis in contracted)
            total += 2.0 * depth * output_size
        elif name == "conv_general_dilated":
            out_features = shapes[1][params["dimension_numbers"].rhs_spec[0]]
            total += 2.0 * output_size * math.prod(shapes[1]) / out_features
        elif name == "cond":
            total += max(_count(branch.jaxpr) for branch in params["branches"])
        else:
            iterations = params["length"] if name == "scan" else 1
            total += iterations * sum(map(_count, _inner_jaxprs(params)))
    return total


def _inner_jaxprs(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """The programs that an operation calls."""
    for value in params.values():
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value
