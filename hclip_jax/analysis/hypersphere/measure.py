"""The geometry of one model: its energies, rotations and relations."""

from typing import NamedTuple

import jax

from hclip_jax.adapters.methods import make_method, rotation_blocks
from hclip_jax.adapters.targets import select_targets
from hclip_jax.analysis.hypersphere.energy import EnergyChange, energy_change
from hclip_jax.analysis.hypersphere.relations import Relations, measure_relations
from hclip_jax.analysis.hypersphere.rotation import RotationAngles, turning
from hclip_jax.config.adapters import TARGETS, TOWERS, AdapterConfig, BlockConfig, HClipConfig

LETTERS: dict[str, str] = dict(zip(TARGETS, "qkvo", strict=True))


class TowerRotations(NamedTuple):
    """The blocks of one tower.

    Attributes:
        turning: of L' layers and J' matrices.
        layers: which L', from 1.
        letters: which J', of q, k, v, o.
        orthogonal: whether the method makes these blocks rotations; else they are free.
    """

    turning: RotationAngles
    layers: tuple[int, ...]
    letters: tuple[str, ...]
    orthogonal: bool


class Geometry(NamedTuple):
    """What a method did to CLIP.

    Attributes:
        method: its name.
        energy: of both towers, "text" and "image".
        turned: of the towers that it multiplies by blocks; None if it does not work by blocks.
        relations: None if it has none.
    """

    method: str
    energy: dict[str, EnergyChange]
    turned: dict[str, TowerRotations] | None
    relations: Relations | None


def measure(config: AdapterConfig, clip_params: dict, adapter_params: dict) -> Geometry:
    """Measures a model: 20 s for ViT-B/16 on two cores.

    Args:
        config: of the tuning method.
        clip_params: CLIP before tuning, float32.
        adapter_params: of the method, float32, finite.
    """
    adapted = jax.jit(make_method(config).apply)(clip_params, adapter_params)
    energy: dict[str, EnergyChange] = {
        tower: energy_change(clip_params[tower], adapted[tower]) for tower in TOWERS
    }
    del adapted  # as large as CLIP
    blocks, turned = rotation_blocks(config, clip_params, adapter_params), None
    if blocks is not None and isinstance(config, BlockConfig):
        turned = {}
        for tower, choice in select_targets(clip_params, config).items():
            layers = tuple(layer + 1 for layer in choice.layers)
            letters = tuple(LETTERS[target] for target in choice.targets)
            orthogonal = not isinstance(config, HClipConfig) or tower in config.orthogonal
            turned[tower] = TowerRotations(turning(blocks[tower]), layers, letters, orthogonal)
    return Geometry(config.method, energy, turned, measure_relations(config, clip_params, adapter_params))
