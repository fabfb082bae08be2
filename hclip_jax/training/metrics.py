"""metrics.jsonl: one JSON object a line, each with its `step`."""

import json
from pathlib import Path
from typing import Any

from hclip_jax.io.files import write_atomically


class MetricsFile:
    """Appends lines to a file.

    A run that resumes at `step` first drops the lines that it will write again: those beyond that step, and
    an evaluation of that step.
    """

    def __init__(self, path: Path, step: int):
        """Opens `path`, which need not exist, for a run that starts after `step` updates."""
        self._path = path
        if path.exists():
            kept = [record for record in read_metrics(path) if _precedes(record, step)]
            write_atomically(path, "".join(f"{json.dumps(record)}\n" for record in kept))

    def write(self, step: int, **values: object) -> None:
        """Appends one line; `values` are JSON types."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a file, without incomplete lines, which a kill leaves; none if it does not exist."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [record for record in map(_parse, lines) if record is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def _precedes(record: dict[str, Any], step: int) -> bool:
    return record["step"] < step or (record["step"] == step and "evaluation" not in record)
