"""Every tuning method behind one signature, a pair of pure functions as in optax."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

from hclip_jax.adapters import boft, hclip, lora, oft
from hclip_jax.adapters import finetune as copies
from hclip_jax.config.schema import AdapterConfig


class Tuning(NamedTuple):
    """A method: parameters to begin with, and what CLIP becomes by them.

    Attributes:
        init: (rng, clip_params) -> adapter_params, which leave CLIP as it is.
        adapt: (clip_params, adapter_params) -> clip_params of the same tree and shapes.
    """

    init: Callable[[Array, Any], Any]
    adapt: Callable[[Any, Any], Any]


_METHODS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "hclip": (hclip.init, hclip.adapt),
    "none": (copies.init_none, copies.replace),
    "full": (copies.init_full, copies.replace),
    "attention": (copies.init_attention, copies.replace_attention),
    "lora": (lora.init, lora.adapt),
    "oft": (oft.init, oft.adapt),
    "boft": (boft.init, boft.adapt),
}
METHODS = tuple(_METHODS)


def make_tuning(config: AdapterConfig) -> Tuning:
    """The method of `config.method`, with the fields that it reads."""
    init, adapt = _METHODS[config.method]
    return Tuning(functools.partial(init, config=config), functools.partial(adapt, config=config))


def rotations(config: AdapterConfig, clip_params: Any, adapter_params: Any) -> dict[str, Array] | None:
    """What a method multiplies attention matrices by.

    Args:
        config: of the method.
        clip_params: CLIP before tuning, for its sizes.
        adapter_params: of the method.

    Returns:
        Blocks [L, J, M, b, b] of each chosen tower, "text" and "image", for hclip and oft; None for the
        methods that do not multiply by one block-diagonal matrix.
    """
    if config.method == "hclip":
        return hclip.blocks(clip_params, adapter_params, config)
    if config.method == "oft":
        return oft.blocks(adapter_params, config)
    return None


def degrees_of_freedom(config: AdapterConfig, clip_shapes: Any) -> int:
    """Directions in which a method can move CLIP's weights, at most: fewer than its parameters.

    A b x b block that is made orthogonal counts b (b - 1) / 2, since only its skew part has an effect.
    LoRA's factors A and B make the same product as A G and G^-1 B: rank^2 less a matrix. All else, the
    relations too, counts as many as there are parameters.

    Args:
        config: of the method.
        clip_shapes: CLIP's tree with anything that has a shape for leaves.
    """
    shapes = jax.eval_shape(make_tuning(config).init, jax.random.key(0), clip_shapes)
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
    if config.method == "lora":
        return count - sum(math.prod(own["a"].shape[:2]) * config.rank**2 for own in shapes.values())
    skew = []
    if config.method == "hclip" and "pop" in config.parts:
        skew = [shapes[hclip.LEAVES[t]] for t in config.towers if t in config.orthogonal]
    elif config.method in ("oft", "boft"):
        skew = list(shapes.values())
    symmetric = config.block * (config.block + 1) // 2
    return count - sum(math.prod(leaf.shape[:-2]) * symmetric for leaf in skew)
