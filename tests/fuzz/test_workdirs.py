"""Damaged files of a work directory: read the same, or refused in one sentence."""

import json

from hclip_jax.training.inputs import Inputs, read_inputs, write_inputs
from hclip_jax.training.metrics import MetricsFile, read_metrics
from hclip_jax.training.workdir import read_trained_class_names
from tests.fuzz.mutate import mutations, outcome


def test_inputs(tmp_path):
    write_inputs(tmp_path, Inputs("0" * 64, "1" * 64, 1200, "f" * 64))
    path, refused = tmp_path / "inputs.json", 0
    for content in mutations([path.read_bytes()], 1000):
        path.write_bytes(content)
        inputs = outcome(lambda: read_inputs(tmp_path))
        refused += inputs is None
        assert inputs is None or isinstance(inputs.num_images, int)
    assert 300 < refused < 1000


def test_class_names(tmp_path):
    for content in mutations([b"sky\ngrass, lawn\ntraffic light\n", "h\u00e4user\n\u6a39\n".encode()], 1000):
        (tmp_path / "classes.txt").write_bytes(content)
        names = outcome(lambda: read_trained_class_names(tmp_path))
        assert names is None or all(name.strip() for name in names)


def test_metrics(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [{"step": step, "loss": 1 / step} for step in range(1, 9)] + [{"step": 8, "evaluation": {}}]
    written = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    for content in mutations([written], 1000):
        path.write_bytes(content)
        before = read_metrics(path)
        MetricsFile(path, 8)
        after = read_metrics(path)
        assert after == [r for r in before if r["step"] < 8 or (r["step"] == 8 and "evaluation" not in r)]
        MetricsFile(path, 8)
        assert read_metrics(path) == after
