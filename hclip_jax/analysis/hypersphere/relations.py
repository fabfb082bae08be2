"""Who hears of whom: what the relations of DCRC (`adapters.relations`) became."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from hclip_jax.adapters import hclip
from hclip_jax.adapters.relations import align_layers, layer_index
from hclip_jax.adapters.targets import TargetSpec, select_targets
from hclip_jax.config.adapters import AdapterConfig, HClipConfig


class Relations(NamedTuple):
    """How far the relations are from leaving every block to itself. Rows hear of columns; without unit.

    Attributes:
        layer: [S J, S J], |layer relation - I| among the J matrices of S layers.
        modality: [S, M, M], |modality relation - I| among the M blocks of all towers.
        layers: the S layers, from 1, as the deeper tower counts them.
        targets: the J matrices.
        towers: of each of the M blocks its tower.
    """

    layer: np.ndarray
    modality: np.ndarray
    layers: tuple[int, ...]
    targets: tuple[str, ...]
    towers: tuple[str, ...]

    @property
    def between_matrices(self) -> np.ndarray:
        """[S], norm of the layer relation's off-diagonal entries in the rows of each layer."""
        rows = _without_diagonal(self.layer).reshape(len(self.layers), -1)
        return np.linalg.norm(rows, axis=1)

    @property
    def between_blocks(self) -> np.ndarray:
        """[S], norm of the modality relation's off-diagonal entries in each layer."""
        return np.linalg.norm(_without_diagonal(self.modality), axis=(1, 2))

    def between_towers(self, hears: str, of: str) -> np.ndarray:
        """[S], norm of the modality relation's entries by which one tower hears of the other."""
        towers = np.array(self.towers)
        return np.linalg.norm(self.modality[:, towers == hears][:, :, towers == of], axis=(1, 2))

    @property
    def cross_share(self) -> float:
        """Share of cross-tower entries in the modality relation's squared off-diagonal entries.

        NaN where there are none.
        """
        off = _without_diagonal(self.modality) ** 2
        with np.errstate(invalid="ignore"):
            return float(np.float64(off[:, self._cross].sum()) / off.sum())

    @property
    def cross_share_of_entries(self) -> float:
        """What `cross_share` is where all off-diagonal entries are equal."""
        blocks = len(self.towers)
        return self._cross.sum() / max(blocks * (blocks - 1), 1)

    @property
    def _cross(self) -> np.ndarray:
        towers = np.array(self.towers)
        return towers[:, None] != towers[None]


def measure_relations(
    config: AdapterConfig, clip_params: dict, adapter_params: dict[str, Array]
) -> Relations | None:
    """The relations of a model, or None if its method has none.

    Linear relations are measured as they are. The paper's networks, blocks + alpha * network(blocks), differ
    from the identity by alpha times the slope of the network: that of each of its two relations alone, at
    the current blocks, averaged over their b x b entries (exact, as a ReLU is on or off), in the root mean
    square over all blocks (layer relation) or all matrices of a layer (modality relation).

    Args:
        config: of the method.
        clip_params: CLIP before tuning, for its sizes.
        adapter_params: of the method.
    """
    if not isinstance(config, HClipConfig) or "dcrc" not in config.parts:
        return None
    choices = select_targets(clip_params, config)
    layer, modality = (np.asarray(adapter_params[name], np.float64) for name in ("layer", "modality"))
    if config.relation == "linear":
        layer, modality = (np.abs(w - np.eye(w.shape[-1])) for w in (layer, modality))
    else:
        blocks = _together(config, clip_params, adapter_params, choices)
        alpha = np.asarray(adapter_params["alpha"], np.float64)
        layer, modality = _slopes(blocks, layer, modality, alpha)
    towers = [tower for tower, choice in choices.items() for _ in range(choice.width // config.block_size)]
    targets = max((choice.targets for choice in choices.values()), key=len)
    return Relations(layer, modality, _layers(choices), targets, tuple(towers))


def _layers(choices: Mapping[str, TargetSpec]) -> tuple[int, ...]:
    longest = max(choice.num_layers for choice in choices.values())
    used = {layer_index(c.num_layers, longest)[layer] for c in choices.values() for layer in c.layers}
    return tuple(position + 1 for position in sorted(used))


def _together(
    config: HClipConfig, clip_params: dict, adapters: dict[str, Array], choices: Mapping[str, TargetSpec]
) -> np.ndarray:
    """[S, J, M, b * b], what the relations hear: zero where a tower has no layer."""
    # Without POP the blocks stay where they start.
    start = hclip.init(jax.random.key(0), clip_params, replace(config, parts=("pop",)))
    slots, towers = len(_layers(choices)), []
    for tower, at in align_layers(choices).items():
        own = np.asarray({**start, **adapters}[hclip.PARAM_NAMES[tower]])
        room = np.zeros((slots, *own.shape[1:]), own.dtype)
        room[list(at)] = own
        towers.append(room)
    together = np.concatenate(towers, axis=2)
    return together.reshape(*together.shape[:3], -1)


def _slopes(
    blocks: np.ndarray, layer: np.ndarray, modality: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of networks with matrices layer [2, S J, S J] and modality [2, S, M, M], and alpha [M, S]."""
    slots, kinds, count, entries = blocks.shape
    hidden = np.tensordot(layer[0], blocks.reshape(slots * kinds, -1), axes=1).reshape(-1, count, entries)
    on = (hidden > 0).mean(axis=2)  # [S J, M]
    slope = np.einsum("ah,hm,hb->mab", layer[1], on, layer[0], optimize=True)
    scale = np.repeat(alpha, kinds, axis=1)  # [M, S J]
    by_layer = np.sqrt(np.mean((scale[:, :, None] * slope) ** 2, axis=0))

    heard = np.tensordot(layer[1], np.maximum(hidden, 0).reshape(slots * kinds, -1), axes=1)
    hidden = np.einsum("lhm,ljme->ljhe", modality[0], heard.reshape(blocks.shape), optimize=True)
    on = (hidden > 0).mean(axis=3)  # [S, J, M]
    slope = np.einsum("lih,ljh,lhm->ljim", modality[1], on, modality[0], optimize=True)
    by_tower = np.sqrt(np.mean((alpha.T[:, None, :, None] * slope) ** 2, axis=1))
    return by_layer, by_tower


def _without_diagonal(relation: np.ndarray) -> np.ndarray:
    return relation * (1 - np.eye(relation.shape[-1]))
