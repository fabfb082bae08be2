"""Cross-layer and cross-tower weights: how far the relations of DCRC moved from the identity.

DCRC (`adapters.relations`) mixes adapter blocks: the layer relation across layers and matrices, the modality
relation across the blocks of both towers. An off-diagonal entry is the weight of one block in another.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from hclip_jax.adapters import hclip
from hclip_jax.adapters.relations import align_layers, layer_index, scatter_layers
from hclip_jax.adapters.targets import TargetSpec, select_targets
from hclip_jax.config.adapters import AdapterConfig, HClipConfig


class Relations(NamedTuple):
    """Absolute deviation of the relations from the identity, without unit. Rows are outputs, columns inputs.

    Attributes:
        layer: [L J, L J], |layer relation - I| between the J matrices of L aligned layers.
        modality: [L, M, M], |modality relation - I| between the M blocks of all towers.
        layers: the L aligned layers, from 1, numbered as in the deeper tower.
        targets: the J matrices.
        towers: the tower of each of the M blocks.
    """

    layer: np.ndarray
    modality: np.ndarray
    layers: tuple[int, ...]
    targets: tuple[str, ...]
    towers: tuple[str, ...]

    @property
    def layer_norms(self) -> np.ndarray:
        """[L], norm of the off-diagonal entries in each layer's rows of the layer relation."""
        rows = _off_diagonal(self.layer).reshape(len(self.layers), -1)
        return np.linalg.norm(rows, axis=1)

    @property
    def modality_norms(self) -> np.ndarray:
        """[L], norm of the off-diagonal entries of each layer's modality relation."""
        return np.linalg.norm(_off_diagonal(self.modality), axis=(1, 2))

    def cross_tower_norms(self, tower: str, source: str) -> np.ndarray:
        """[L], norm of the weights of the blocks of `source` in the blocks of `tower`."""
        towers = np.array(self.towers)
        return np.linalg.norm(self.modality[:, towers == tower][:, :, towers == source], axis=(1, 2))

    @property
    def cross_tower_share(self) -> float:
        """Share of the cross-tower entries in the squared off-diagonal entries of the modality relation.

        NaN if all off-diagonal entries are zero.
        """
        squares = _off_diagonal(self.modality) ** 2
        with np.errstate(invalid="ignore"):
            return float(np.float64(squares[:, self._is_cross_tower].sum()) / squares.sum())

    @property
    def cross_tower_share_uniform(self) -> float:
        """The value of `cross_tower_share` if all off-diagonal entries are equal."""
        num_blocks = len(self.towers)
        return self._is_cross_tower.sum() / max(num_blocks * (num_blocks - 1), 1)

    @property
    def _is_cross_tower(self) -> np.ndarray:
        towers = np.array(self.towers)
        return towers[:, None] != towers[None]


def measure_relations(
    config: AdapterConfig, clip_params: dict, adapter_params: dict[str, Array]
) -> Relations | None:
    """The relations of a model, or None if its method has none.

    A linear relation is compared with the identity. The paper's networks, blocks + alpha * network(blocks),
    deviate from the identity by alpha times the derivative of the network. The derivative is that of each of
    the two relations alone, at the current blocks, averaged over their b x b entries (exact, because a ReLU
    has slope 0 or 1), and its root mean square is taken over all blocks (layer relation) or over all matrices
    of a layer (modality relation).

    Args:
        config: the tuning method.
        clip_params: CLIP before tuning; only its shapes are used.
        adapter_params: parameters of the method.
    """
    if not isinstance(config, HClipConfig) or "dcrc" not in config.parts:
        return None
    specs = select_targets(clip_params, config)
    layer, modality = (np.asarray(adapter_params[name], np.float64) for name in ("layer", "modality"))
    if config.relation == "linear":
        layer, modality = (np.abs(w - np.eye(w.shape[-1])) for w in (layer, modality))
    else:
        blocks = _mixed_blocks(config, clip_params, adapter_params, specs)
        alpha = np.asarray(adapter_params["alpha"], np.float64)
        layer, modality = _network_derivatives(blocks, layer, modality, alpha)
    towers = [tower for tower, spec in specs.items() for _ in range(spec.width // config.block_size)]
    targets = max((spec.targets for spec in specs.values()), key=len)
    return Relations(layer, modality, _aligned_layers(specs), targets, tuple(towers))


def _aligned_layers(specs: Mapping[str, TargetSpec]) -> tuple[int, ...]:
    """The layers that any tower uses, from 1, numbered as in the deeper tower."""
    longest = max(spec.num_layers for spec in specs.values())
    used = {layer_index(s.num_layers, longest)[layer] for s in specs.values() for layer in s.layers}
    return tuple(index + 1 for index in sorted(used))


def _mixed_blocks(
    config: HClipConfig, clip_params: dict, adapter_params: dict[str, Array], specs: Mapping[str, TargetSpec]
) -> np.ndarray:
    """The blocks that the relations mix, [L, J, M, b * b]; zero where a tower has no layer."""
    # Without POP the blocks keep their initial values.
    initial = hclip.init(jax.random.key(0), clip_params, replace(config, parts=("pop",)))
    params, num_layers = {**initial, **adapter_params}, len(_aligned_layers(specs))
    blocks = np.concatenate(
        [
            np.asarray(scatter_layers(params[hclip.PARAM_NAMES[tower]], indices, num_layers))
            for tower, indices in align_layers(specs).items()
        ],
        axis=2,
    )
    return blocks.reshape(*blocks.shape[:3], -1)


def _network_derivatives(
    blocks: np.ndarray, layer: np.ndarray, modality: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of the networks from the identity.

    In einsum strings a and b index rows of the layer relation, h hidden units and e entries of a block.

    Args:
        blocks: [L, J, M, b * b].
        layer: [2, L J, L J], both matrices of the layer relation.
        modality: [2, L, M, M], both matrices of the modality relation.
        alpha: [M, L].

    Returns:
        `Relations.layer` [L J, L J] and `Relations.modality` [L, M, M].
    """
    num_layers, num_targets, num_blocks, entries = blocks.shape
    rows = num_layers * num_targets
    hidden = np.tensordot(layer[0], blocks.reshape(rows, -1), axes=1).reshape(-1, num_blocks, entries)
    active = (hidden > 0).mean(axis=2)  # [L J, M]
    derivative = np.einsum("ah,hm,hb->mab", layer[1], active, layer[0], optimize=True)
    scale = np.repeat(alpha, num_targets, axis=1)  # [M, L J]
    layer_deviation = np.sqrt(np.mean((scale[:, :, None] * derivative) ** 2, axis=0))

    mixed = np.tensordot(layer[1], np.maximum(hidden, 0).reshape(rows, -1), axes=1)
    hidden = np.einsum("lhm,ljme->ljhe", modality[0], mixed.reshape(blocks.shape), optimize=True)
    active = (hidden > 0).mean(axis=3)  # [L, J, M]
    derivative = np.einsum("lih,ljh,lhm->ljim", modality[1], active, modality[0], optimize=True)
    modality_deviation = np.sqrt(np.mean((alpha.T[:, None, :, None] * derivative) ** 2, axis=1))
    return layer_deviation, modality_deviation


def _off_diagonal(relation: np.ndarray) -> np.ndarray:
    return relation * (1 - np.eye(relation.shape[-1]))
