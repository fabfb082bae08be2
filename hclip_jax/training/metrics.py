"""metrics.jsonl: one JSON object a line, each with its `step`."""

import json
from pathlib import Path

from hclip_jax.io.files import write_atomically


class MetricsFile:
    """Appends lines to `path`.

    A training that resumes at `step` first drops the lines it will write again: those beyond that step,
    and an evaluation of it.
    """

    def __init__(self, path: Path, step: int):
        self._path = path
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if _stays(line, step)]
            write_atomically(path, "".join(f"{line}\n" for line in kept))

    def write(self, step: int, **values: object) -> None:
        """Appends one line; `values` are JSON types."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def _stays(line: str, step: int) -> bool:
    try:
        record = json.loads(line)
    except ValueError:  # half a line, which a killed process left
        return False
    return record["step"] < step or (record["step"] == step and "evaluation" not in record)
