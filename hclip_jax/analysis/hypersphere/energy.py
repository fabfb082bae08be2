"""Hyperspherical energy of each attention matrix of a tower, before and after adapting."""

from typing import NamedTuple

import jax
import numpy as np

from hclip_jax.adapters.energy import tower_energy
from hclip_jax.config.adapters import TARGETS


class EnergyChange(NamedTuple):
    """Energies of the J attention matrices in the L layers of one tower, without unit; see `adapters.energy`.

    Attributes:
        before: float64 [L, J], of CLIP before adapting; over rows for q, k, v and over columns for o.
        after: float64 [L, J], of CLIP after adapting.
    """

    before: np.ndarray
    after: np.ndarray

    @property
    def relative(self) -> np.ndarray:
        """[L, J], relative change after / before - 1; NaN where neither is finite."""
        with np.errstate(invalid="ignore"):
            return self.after / self.before - 1

    @property
    def tower_relative(self) -> float:
        """Relative change of the sum over all matrices of the tower; NaN if neither sum is finite."""
        with np.errstate(invalid="ignore"):
            return float(self.after.sum() / self.before.sum() - 1)


def energy_change(before: dict, after: dict) -> EnergyChange:
    """Compares the attention matrices of two towers of the same shapes, given as encoder parameters."""
    return EnergyChange(_energies(before), _energies(after))


@jax.jit
def _tower_energy(attention: dict) -> dict:
    return tower_energy({"blocks": {"attention": attention}})


def _energies(tower: dict) -> np.ndarray:
    # Only the attention is passed on, so that no other parameters are copied to the device.
    energies = _tower_energy(tower["blocks"]["attention"])
    return np.stack([np.asarray(energies[target], np.float64) for target in TARGETS], axis=1)
