"""Damaged suites: read as a suite, or refused in one sentence."""

import json
from pathlib import Path

from hclip_jax.evaluation.suite import Suite, built_in_suites, read_suite
from tests.fuzz.mutate import mutations, outcome

WHOLE = {
    "title": "own sets",
    "metric": "mIoU_all",
    "compare": ["H-CLIP"],
    "sets": [
        {"name": "a", "root": "/data/a", "split": "test", "classes_of_interest": ["cat"], "domain": "earth"},
        {"name": "b", "benchmark": "pascal_context_459", "class_name_variant": "with_blanks"},
        {"name": "c", "classes_file": "c.txt", "fold_background": 3, "figures": {"H-CLIP ViT-B/16": 12.5}},
    ],
}


def test_suites(tmp_path: Path) -> None:
    path, refused = tmp_path / "mine.json", 0
    assert built_in_suites() == ["paper"]
    for content in mutations([json.dumps(WHOLE, indent=1).encode()], 1000):
        path.write_bytes(content)
        suite = outcome(lambda: read_suite(str(path)))
        refused += suite is None
        assert suite is None or (isinstance(suite, Suite) and suite.sets)
    assert 500 < refused < 1000
