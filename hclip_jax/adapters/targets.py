"""Which attention matrices of which tower a method changes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from hclip_jax.config.schema import AdapterConfig

TOWERS = ("text", "image")  # in the order that blocks of both lie in
TARGETS = ("query", "key", "value", "out")  # J, in its order
_OWN_TARGETS = {"attention": ("query", "value"), "lora": ("query", "value")}


class Choice(NamedTuple):
    """The matrices of one tower: J' of them in each of L' layers."""

    layers: tuple[int, ...]  # from 0
    targets: tuple[str, ...]
    depth: int  # L
    width: int  # D

    @property
    def shape(self) -> tuple[int, int]:
        """(L', J'), the leading axes of what a method keeps for each matrix."""
        return len(self.layers), len(self.targets)

    def blocks(self, side: int) -> tuple[int, ...]:
        """[L', J', M, b, b], the shape of blocks along the diagonal of each matrix."""
        return *self.shape, self.width // side, side, side


def choose(clip_params: Any, config: AdapterConfig) -> dict[str, Choice]:
    """What `config` chooses by towers, layers and targets.

    Args:
        clip_params: "text" and "image" with anything that has a shape for leaves; only the towers that
            are chosen are read. `blocks/attention/{query,key,value,out}/kernel` are [L, D, D].
        config: no layers are all layers, no targets those of the method: query and value for
            `attention` and `lora`, all four for the others.

    Returns:
        A choice for each tower, text first.
    """
    named = config.targets or _OWN_TARGETS.get(config.method, TARGETS)
    choices = {}
    for tower in TOWERS:
        if tower in config.towers:
            depth, width, _ = clip_params[tower]["blocks"]["attention"]["query"]["kernel"].shape
            layers = sorted(layer - 1 for layer in config.layers) or range(depth)
            targets = tuple(target for target in TARGETS if target in named)
            choices[tower] = Choice(tuple(layers), targets, depth, width)
    return choices


def change(tower: dict, choice: Choice, new: Callable[[int, str, Array], Array]) -> dict:
    """A tower with the chosen kernels replaced; biases stay.

    Args:
        tower: parameters of an encoder.
        choice: which kernels.
        new: (position among the chosen targets, target, kernels [L', D, D]) -> kernels [L', D, D].
    """
    attention = dict(tower["blocks"]["attention"])
    everywhere = len(choice.layers) == choice.depth
    for j, target in enumerate(choice.targets):
        kernel = attention[target]["kernel"]
        if everywhere:
            kernel = new(j, target, kernel)
        else:
            layers = jnp.array(choice.layers)
            kernel = kernel.at[layers].set(new(j, target, kernel[layers]))
        attention[target] = {**attention[target], "kernel": kernel}
    return {**tower, "blocks": {**tower["blocks"], "attention": attention}}
