"""What of a forward pass is kept for the backward pass, and what is computed anew."""

from collections.abc import Callable
from typing import Any

import jax

_KEPT = {
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}
REMAT_POLICIES = ("none", *_KEPT)
"""What may be kept: everything; results of dense layers (attention, norms, GELU and convolutions are
computed anew); nothing but what went in."""


def remat(policy: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, of which the backward pass keeps what one of REMAT_POLICIES says. Values do not change."""
    return function if policy == "none" else jax.checkpoint(function, policy=_KEPT[policy])
