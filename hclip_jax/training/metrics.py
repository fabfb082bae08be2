"""metrics.jsonl: one JSON object a line, each with its `step`."""

import json
from pathlib import Path

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
            kept = [line for line in path.read_text().splitlines() if _precedes(line, step)]
            write_atomically(path, "".join(f"{line}\n" for line in kept))

    def write(self, step: int, **values: object) -> None:
        """Appends one line; `values` are JSON types."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def _precedes(line: str, step: int) -> bool:
    try:
        record = json.loads(line)
    except ValueError:  # an incomplete line, left by a killed process
        return False
    return record["step"] < step or (record["step"] == step and "evaluation" not in record)
