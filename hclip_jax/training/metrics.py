"""metrics.jsonl: one JSON object a line, each with its `step`."""

import json
from pathlib import Path

from hclip_jax.files import write_atomically


class MetricsFile:
    """Appends lines to `path`; a resumed training first drops those beyond the step it resumes from."""

    def __init__(self, path: Path, step: int):
        self._path = path
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if _step(line) <= step]
            write_atomically(path, "".join(f"{line}\n" for line in kept))

    def write(self, step: int, **values: object) -> None:
        """Appends one line; `values` are JSON types."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def _step(line: str) -> float:
    """The step of a line; infinite for one that a killed process left half-written."""
    try:
        return json.loads(line)["step"]
    except ValueError:
        return float("inf")
