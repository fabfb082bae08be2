"""The folders of answers, which are kept for an hour."""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

KEPT_SECONDS = 3600
"""Age at which uploads and answers are removed."""
SWEEP_SECONDS = 300
"""Time between two looks for old ones, so that they go also where nobody clicks any more."""
_PREFIX = "answer_"


def new_answer_folder(folder: Path) -> Path:
    """An empty folder for the files of an answer, below the folder of the page."""
    return Path(tempfile.mkdtemp(dir=folder, prefix=_PREFIX))


def remove_old_answers(folder: Path) -> None:
    """Removes folders of answers older than KEPT_SECONDS; gradio removes the uploads and its own copies."""
    for answer in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - answer.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(answer)
