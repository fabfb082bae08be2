"""Cyclic shift of the patch grid, for shifted windows."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from hclip_jax.ops import backend


def roll(x: Float[Array, "B T h w C"], shift: int) -> Float[Array, "B T h w C"]:
    """Patches shifted cyclically by `shift` rows down and as many columns right."""
    if not shift:
        return x
    return _roll_cpu(x, shift) if backend.on_cpu() else jnp.roll(x, (shift, shift), (2, 3))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _roll_cpu(x: Array, shift: int) -> Array:
    """`roll` with dx = dy shifted back. XLA's own gradient is a sum of arrays padded with zeros."""
    return jnp.roll(x, (shift, shift), (2, 3))


def _roll_fwd(x: Array, shift: int) -> tuple[Array, None]:
    return _roll_cpu(x, shift), None


def _roll_bwd(shift: int, _: None, dy: Array) -> tuple[Array]:
    return (_roll_cpu(dy, -shift),)


_roll_cpu.defvjp(_roll_fwd, _roll_bwd)
