import errno
import json
import os
from pathlib import Path

import pytest

from hclip_jax.errors import UserError
from hclip_jax.training.metrics import MetricsFile, read_metrics


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


def test_lines_of_other_programs_stay_and_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    foreign = [
        b"# note",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"step": ' + b"9" * 5000 + b"}",
        b"",
        b'{"step": true}',
        b"3",
    ]
    path.write_bytes(
        b"\n".join([b'{"step": 1}', *foreign, b'{"step": 2}', b'{"step": 3}', b'{"step": 4, "lo'])
    )
    assert [record["step"] for record in read_metrics(path)] == [1, 2, 3]
    MetricsFile(path, 2)
    assert path.read_bytes() == b"\n".join([b'{"step": 1}', *foreign, b'{"step": 2}', b""])
    path.write_bytes(b'{"step": 1}')  # the newline is what was cut
    MetricsFile(path, 2).write(2)
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2}\n'


def test_a_file_that_cannot_be_read_or_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is not a file; remove it"):
        MetricsFile(tmp_path / "pipe", 0)
    metrics = MetricsFile(tmp_path / "metrics.jsonl", 0)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(UserError, match=r"metrics.jsonl cannot be written \(No space left on device\)"):
        metrics.write(1)
    os.mknod(tmp_path / "metrics.jsonl")
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(UserError, match=r"metrics.jsonl cannot be read"):
        read_metrics(tmp_path / "metrics.jsonl")
