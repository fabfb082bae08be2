"""What "the same" means, in one place."""

from typing import Any

import jax
import numpy as np

# Largest absolute difference to the published code's float32 numbers.
ADAPTERS = 1e-5
TOWERS = 1e-4
AGGREGATOR = 1e-4
PROBABILITIES = 1e-4
# Least share of equal class ids.
ARGMAX = 0.999
# Largest difference between a custom gradient and that of the plain form in float32, relative to the largest
# element of the latter. bfloat16 has 8 significant bits and is rounded at several steps.
CUSTOM_GRADIENT = {"float32": 2e-5, "bfloat16": 0.03}
# Largest relative difference.
GRADIENT_NORM = 1e-2
LOSS_PAPER = 1e-4
LOSS_HOT = 2e-2


def assert_close(got: Any, want: Any, atol: float = 1e-6, rtol: float = 1e-5) -> None:
    """Asserts that two trees have the same structure and close leaves (float32 unit maths by default)."""
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(want), strict=True):
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol, atol, err_msg=name)


def assert_within(got: Any, want: Any, atol: float) -> None:
    """Asserts that no element differs by more than `atol`."""
    assert np.shape(got) == np.shape(want)
    difference = np.abs(np.asarray(got, np.float64) - np.asarray(want, np.float64)).max()
    assert difference <= atol, f"differs by {difference:.3g}, allowed is {atol:.3g}"


def assert_same(got: Any, want: Any) -> None:
    """Asserts that two trees are equal bit for bit."""
    assert_close(got, want, atol=0.0, rtol=0.0)
