"""Compares the features of a merged CLIP with those of the model with its adapters."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import ml_dtypes
import numpy as np

from hclip_jax.errors import UserError
from hclip_jax.weights.checkpoint import Checkpoint
from hclip_jax.weights.clip_features import clip_features, fixed_inputs

_ROUNDING_STEPS = 32  # of the coarsest dtype, by which an entry of a normalized feature may differ


class Towers(NamedTuple):
    """One value for each tower."""

    image: np.ndarray
    text: np.ndarray


def normalized_features(checkpoint: Checkpoint) -> dict[str, Towers]:
    """Pooled features of fixed inputs, l2-normalized, for the dtypes they are computed in.

    Returns:
        "float32" and "bfloat16" -> features float32 [2, D_e] and [3, D_e], D_e the embedding width.
    """
    params, inputs = checkpoint.only("clip").load_params()["clip"], fixed_inputs(checkpoint.clip)
    features = {
        dtype: clip_features(checkpoint.clip, params, *inputs, dtype) for dtype in ("float32", "bfloat16")
    }
    with np.errstate(invalid="ignore"):  # `check_finite` reports them
        return {
            dtype: Towers(*(x / np.linalg.norm(x, axis=-1, keepdims=True) for x in towers))
            for dtype, towers in features.items()
        }


def check_finite(features: Mapping[str, Towers], model: Path) -> None:
    """Raises UserError if a feature of `model` is not finite."""
    if not all(np.isfinite(x).all() for towers in features.values() for x in towers):
        raise UserError(f"{model} has features that are not finite; give a model with finite weights")


def max_differences(a: Mapping[str, Towers], b: Mapping[str, Towers]) -> dict[str, tuple[float, float]]:
    """Largest absolute difference (image, text) for each dtype."""
    return {
        dtype: (
            _max_difference(a[dtype].image, b[dtype].image),
            _max_difference(a[dtype].text, b[dtype].text),
        )
        for dtype in a
    }


def tolerance(checkpoint: Checkpoint) -> float:
    """The difference of a normalized feature that rounding to the dtypes of a CLIP explains."""
    dtypes = {param.dtype for param in checkpoint.only("clip").params.values()}
    return _ROUNDING_STEPS * max(float(ml_dtypes.finfo(dtype).eps) for dtype in dtypes)


def _max_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())
