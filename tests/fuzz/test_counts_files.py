"""Damaged NAME.npz of an evaluation: the counts that were stored, or a refusal in one sentence."""

from pathlib import Path

import numpy as np

from hclip_jax.evaluation.image_counts import from_bytes, to_bytes
from tests.evaluation.counts import make_counts
from tests.fuzz.mutate import mutations, outcome


def test_counts_files(tmp_path: Path) -> None:
    counts = make_counts(np.random.default_rng(0), 5, 4)
    read = 0
    for content in mutations([to_bytes(counts)], 1000):
        found = outcome(lambda content=content: from_bytes(content, "val.npz"))
        if found is not None:
            read += 1
            assert (found.class_names, found.image_names) == (counts.class_names, counts.image_names)
            np.testing.assert_array_equal(found.intersection, counts.intersection)
            np.testing.assert_array_equal(found.truth, counts.truth)
            np.testing.assert_array_equal(found.prediction, counts.prediction)
    assert read < 500
