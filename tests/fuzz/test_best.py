"""Damaged checkpoints/best.json: an evaluation, or a refusal in one sentence."""

import math
from pathlib import Path

from hclip_jax.training.best import NAME, read_best
from tests.fuzz.mutate import mutations, outcome


def test_best(tmp_path: Path) -> None:
    whole, refused = b'{"step": 40, "metric": "val/mIoU", "value": 41.25}\n', 0
    for content in mutations([whole], 1000):
        (tmp_path / NAME).write_bytes(content)
        best = outcome(lambda: read_best(tmp_path))
        refused += best is None
        assert best is None or (best.step > 0 and math.isfinite(best.value))
    assert 100 < refused < 1000
