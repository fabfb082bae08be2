"""Parameter trees, and the parameters of submodules."""

from collections.abc import Callable
from typing import Any, cast

import flax.linen as nn
from jax import Array

Params = dict[str, Any]
"""A nested dict of arrays, such as {"clip": {"image", "text", "logit_scale"}, "adapters", "head"}."""


def submodule_params(module: nn.Module, name: str, init: Callable[[Array], Any]) -> Params:
    """Parameters of a submodule that `module` applies itself, created by `init` from a key.

    `Module.param` would trace `init`, and with it the submodule, at each call to compare shapes, which the
    submodule compares anyway.
    """
    if module.has_variable("params", name):
        return cast(Params, module.get_variable("params", name))
    return cast(Params, module.param(name, init))
