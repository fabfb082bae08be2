"""Damaged labels: class ids, or a refusal in one sentence; never a warning."""

from hclip_jax.data.types import IGNORE
from tests.fuzz.image_files import labels
from tests.fuzz.mutate import mutations, outcome
from tests.labelled_folder import read_label

MAX_VALUES = 180_000_000
NUM_CLASSES = 3


def test_labels(tmp_path):
    path, refused = tmp_path / "label.png", 0
    for content in mutations(labels(), 1000):
        path.write_bytes(content)
        label = outcome(lambda: read_label(path, NUM_CLASSES))
        refused += label is None
        if label is not None:
            assert label.ndim == 2
            assert label.size <= MAX_VALUES
            assert ((label == IGNORE) | (label >= 0) & (label < NUM_CLASSES)).all()
    assert 100 < refused < 990
