"""A loss summed over microbatches, with the memory of one.

Ordinary gradient accumulation repeats the whole step for each microbatch. Here only what depends on images is
repeated: adapters and text features come in as variables, computed once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Loss = Callable[[Any, Any], Array]


def sum_over_microbatches(loss: Loss, variables: Any, batch: Any, size: int) -> Array:
    """`loss(variables, batch)`, a sum over images, computed for some images at a time.

    The gradient of each microbatch is computed together with its loss, and added up in the dtypes of
    `variables`.

    Args:
        loss: a pure function that closes over no traced array.
        variables: a tree that the loss is differentiated by; leaves without a gradient cost nothing.
        batch: a tree of arrays with the same leading axis; it gets no gradient.
        size: the largest number of images at a time; the largest divisor of the batch that is not larger is
            taken. 0 = all images.
    """
    rows = len(jax.tree.leaves(batch)[0])
    if size == 0 or rows <= size:
        return loss(variables, batch)
    size = next(n for n in range(size, 0, -1) if rows % n == 0)
    return _sum(variables, jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), batch), loss)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _sum(variables: Any, microbatches: Any, loss: Loss) -> Array:
    return jax.lax.map(partial(loss, variables), microbatches).sum()


def _sum_fwd(variables: Any, microbatches: Any, loss: Loss) -> tuple[Array, Any]:
    primals, treedef = jax.tree.flatten(variables, is_leaf=_is_primal)
    trained = {i: primal.value for i, primal in enumerate(primals) if primal.perturbed}

    def loss_of(trained: dict[int, Array], microbatch: Any) -> Array:
        leaves = [trained.get(i, primal.value) for i, primal in enumerate(primals)]
        return loss(jax.tree.unflatten(treedef, leaves), microbatch)

    def add(total: tuple[Array, Any], microbatch: Any) -> tuple[tuple[Array, Any], None]:
        return jax.tree.map(jnp.add, total, jax.value_and_grad(loss_of)(trained, microbatch)), None

    zeros = jnp.zeros(()), jax.tree.map(jnp.zeros_like, trained)
    values = jax.tree.map(lambda primal: primal.value, microbatches, is_leaf=_is_primal)
    (value, gradient), _ = jax.lax.scan(add, zeros, values)
    return value, jax.tree.unflatten(treedef, [gradient.get(i) for i in range(len(primals))])


def _sum_bwd(loss: Loss, gradient: Any, dvalue: Array) -> tuple[Any, None]:
    del loss
    return jax.tree.map(lambda x: dvalue.astype(x.dtype) * x, gradient), None


def _is_primal(x: Any) -> bool:
    """Whether `x` is an argument of `_sum_fwd`: a value, and whether it has a gradient."""
    return hasattr(x, "perturbed")


_sum.defvjp(_sum_fwd, _sum_bwd, symbolic_zeros=True)
