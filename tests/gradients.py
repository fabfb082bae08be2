"""A function's value and its gradients by all arguments, to hold against another's."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def value_and_gradients(function: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """The value, and the gradients of its product with fixed random weights."""
    value, pull = jax.vjp(jax.jit(function), *args)
    weight = jax.random.normal(jax.random.key(99), value.shape).astype(jnp.result_type(value))
    return value, pull(weight)
