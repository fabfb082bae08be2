"""Selects the attention matrices that a tuning method changes, and replaces them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from hclip_jax.config.adapters import TARGETS, TOWERS, TargetConfig


class TargetSpec(NamedTuple):
    """The selected matrices of one tower: J' of them in each of L' layers.

    Attributes:
        layers: indices of the L' layers, from 0.
        targets: the J' matrices, in the order of TARGETS.
        num_layers: L, all layers of the tower.
        width: D.
    """

    layers: tuple[int, ...]
    targets: tuple[str, ...]
    num_layers: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """(L', J'), the leading axes of a method's parameters."""
        return len(self.layers), len(self.targets)

    def block_shape(self, block_size: int) -> tuple[int, ...]:
        """[L', J', M, b, b], the shape of the diagonal blocks of every selected matrix."""
        return *self.shape, self.width // block_size, block_size, block_size


def select_targets(clip_params: Any, config: TargetConfig) -> dict[str, TargetSpec]:
    """The matrices that `config` selects by towers, layers and targets.

    Args:
        clip_params: "text" and "image" with any leaves that have a shape; only the selected towers are
            read. `blocks/attention/{query,key,value,out}/kernel` are [L, D, D].
        config: empty `layers` select all layers.

    Returns:
        One TargetSpec a tower, text first.
    """
    specs: dict[str, TargetSpec] = {}
    for tower in TOWERS:
        if tower in config.towers:
            num_layers, width, _ = clip_params[tower]["blocks"]["attention"]["query"]["kernel"].shape
            layers = sorted(layer - 1 for layer in config.layers) or range(num_layers)
            targets = tuple(target for target in TARGETS if target in config.targets)
            specs[tower] = TargetSpec(tuple(layers), targets, num_layers, width)
    return specs


def replace_kernels(tower: dict, spec: TargetSpec, new: Callable[[int, str, Array], Array]) -> dict:
    """A tower with the selected kernels replaced; biases stay.

    Args:
        tower: parameters of an encoder.
        spec: the selected kernels.
        new: maps (index j among the selected targets, target, kernels [L', D, D]) to kernels [L', D, D].
    """
    attention = dict(tower["blocks"]["attention"])
    all_layers = len(spec.layers) == spec.num_layers
    for j, target in enumerate(spec.targets):
        kernel = attention[target]["kernel"]
        if all_layers:
            kernel = new(j, target, kernel)
        else:
            layers = jnp.array(spec.layers)
            kernel = kernel.at[layers].set(new(j, target, kernel[layers]))
        attention[target] = {**attention[target], "kernel": kernel}
    return {**tower, "blocks": {**tower["blocks"], "attention": attention}}
