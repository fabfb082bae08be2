import json
from pathlib import Path

from hclip_jax.training.metrics import MetricsFile


def test_a_resumed_training_drops_what_it_will_write_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = MetricsFile(path, 0)
    first.write(1, loss=3.0)
    first.write(2, loss=2.0)
    first.write(2, evaluation={})
    first.write(3, loss=1.0)
    with path.open("a") as file:
        file.write('{"step": 4, "lo')
    MetricsFile(path, 2).write(3, loss=1.5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": 1.5}]
