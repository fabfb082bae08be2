"""Hyperspherical energy of each attention matrix of a tower, before and after adapting."""

from typing import NamedTuple

import jax
import numpy as np

from hclip_jax.adapters.energy import tower_energy
from hclip_jax.config.adapters import TARGETS


class EnergyChange(NamedTuple):
    """Energies of one tower, without unit, see `adapters.energy`.

    Attributes:
        before: [L, J] float64 of CLIP as it was, of rows for q, k, v and of columns for o.
        after: [L, J] float64 of CLIP as the adapters made it.
    """

    before: np.ndarray
    after: np.ndarray

    @property
    def relative(self) -> np.ndarray:
        """[L, J], after / before - 1; NaN where neither is finite."""
        with np.errstate(invalid="ignore"):
            return self.after / self.before - 1

    @property
    def whole(self) -> float:
        """The same of the tower's sum over all matrices."""
        with np.errstate(invalid="ignore"):
            return float(self.after.sum() / self.before.sum() - 1)


def energy_change(before: dict, after: dict) -> EnergyChange:
    """Compares the attention matrices of two towers of the same shapes, given as encoder parameters."""
    return EnergyChange(_energies(before), _energies(after))


@jax.jit
def _tower_energy(kernels: dict) -> dict:
    return tower_energy({"blocks": {"attention": kernels}})


def _energies(tower: dict) -> np.ndarray:
    # Attention alone, so that nothing else of the tower is brought to the device.
    found = _tower_energy(tower["blocks"]["attention"])
    return np.stack([np.asarray(found[target], np.float64) for target in TARGETS], axis=1)
