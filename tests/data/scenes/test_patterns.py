import numpy as np
import pytest

from hclip_jax.data.scenes.label_sets import PATTERNS
from hclip_jax.data.scenes.patterns import pattern_mask


@pytest.mark.parametrize("pattern", PATTERNS)
def test_covered_fraction(pattern: str) -> None:
    rng = np.random.default_rng(0)
    fractions = [pattern_mask(pattern, 40, rng).mean() for _ in range(10)]
    if pattern == "plain":
        assert max(fractions) == 0
    else:
        assert 0.1 < min(fractions) <= max(fractions) < 0.65
