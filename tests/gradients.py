"""Values and gradients of a function, for comparison with those of another."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def value_and_gradients(function: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """The value of an array function, and its gradients by all arguments for a fixed random cotangent."""
    value, vjp = jax.vjp(jax.jit(function), *args)
    cotangent = jax.random.normal(jax.random.key(99), value.shape).astype(jnp.result_type(value))
    return value, vjp(cotangent)
