"""What of a forward pass is kept for the backward pass, and what is computed anew."""

from collections.abc import Callable
from typing import Any

import jax

_KEPT = {
    "products": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "nothing": jax.checkpoint_policies.nothing_saveable,
}
POLICIES = ("everything", *_KEPT)
"""What may be kept: everything; results of dense layers (attention, norms, GELU and convolutions are
computed anew); nothing but what went in."""


def keeping(policy: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, of which the backward pass keeps what one of POLICIES says. Values do not change."""
    return function if policy == "everything" else jax.checkpoint(function, policy=_KEPT[policy])
