"""Rematerialization: activations that the backward pass recomputes instead of storing."""

from collections.abc import Callable
from typing import Any

import jax

_POLICIES = {
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}
REMAT_POLICIES = ("none", *_POLICIES)
"""none stores every activation. dots stores the results of dense layers and recomputes attention, norms, GELU
and convolutions. full stores only the inputs and recomputes everything."""


def remat(policy: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` under one of REMAT_POLICIES. Its values and gradients do not change."""
    return function if policy == "none" else jax.checkpoint(function, policy=_POLICIES[policy])
