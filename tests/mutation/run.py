"""Runs the tests that must notice a mutant."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

_CUSTOM = "tests/ops/test_custom_gradients.py"
_STEP = "tests/training/test_step.py"
_PARITY = "tests/parity/test_segmenter.py"  # also with the gradients of the published code
TESTS = {
    "hclip_jax/adapters": ("tests/adapters", _CUSTOM, "tests/parity/test_adapters.py", _STEP, _PARITY),
    "hclip_jax/ops": (_CUSTOM, "tests/ops", "tests/models", _STEP, "tests/parity"),
    "hclip_jax/models/clip": (
        *("tests/models/clip", "tests/parity/test_clip.py", "tests/pretraining/test_contrastive.py"),
        *("tests/training/test_init.py", _STEP, _PARITY),
    ),
    "hclip_jax/models/head": ("tests/models/head", _STEP, "tests/parity/test_aggregator.py", _PARITY),
    "hclip_jax/models": ("tests/models", _STEP, "tests/parity"),
    "hclip_jax/training": ("tests/training/test_losses.py", _CUSTOM, _STEP, _PARITY),
    "hclip_jax/inference": ("tests/inference", "tests/parity/test_sliding_window.py"),
    "hclip_jax/evaluation": ("tests/evaluation",),
}
"""Test files, or folders of them, that must notice an error in a folder, in the order in which they run. The
test file that mirrors the mutated file runs before them."""

_NOT_COPIED = (".git", ".venv*", "__pycache__", ".*_cache", "*.egg-info", "build", "dist", "runs")
_LEAST_LIMIT = 120.0  # seconds


class Outcome(NamedTuple):
    """How the tests ended.

    Attributes:
        result: "survived" or "killed".
        by: the first test that failed, or "time limit"; "" for survivors.
        seconds: how long they ran.
        log: end of the output of pytest.
    """

    result: str
    by: str
    seconds: float
    log: str


def tests_of(file: str, root: Path) -> list[str]:
    """The test files that must notice an error in a source file, in the order in which they run."""
    path = Path(file)
    mirrored = Path("tests", *path.parts[1:-1], f"test_{path.name}")
    tests = [mirrored] if (root / mirrored).is_file() else []
    folder = max((folder for folder in TESTS if file.startswith(f"{folder}/")), key=len)
    for entry in TESTS[folder]:
        files = sorted((root / entry).rglob("test_*.py")) if not entry.endswith(".py") else [root / entry]
        if not files or not all(test.is_file() for test in files):
            sys.exit(f"{entry} has no tests; correct TESTS[{folder!r}] in tests/mutation/run.py")
        tests += [test.relative_to(root) for test in files]
    return list(dict.fromkeys(map(str, tests)))


class Runner:
    """Runs tests in a copy of the repository, one mutant after another."""

    def __init__(self, root: Path, folder: Path, programs: Path):
        """Copies the repository.

        Args:
            root: the repository.
            folder: new folder for the copy.
            programs: folder with the compiled programs of the unmutated tests.
        """
        self.tree = folder / "tree"
        shutil.copytree(root, self.tree, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        temporary = folder / "tmp"
        temporary.mkdir()
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(self.tree),
            "PYTHONDONTWRITEBYTECODE": "1",  # a mutant may have the size and the second of its original
            "TMPDIR": str(temporary),
            "JAX_COMPILATION_CACHE_DIR": str(programs),
        }
        self._process: subprocess.Popen[str] | None = None

    def stop(self) -> None:
        """Kills the running tests, with the processes that they have started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def run_unmutated(self, tests: list[str]) -> float:
        """Runs tests that must pass, and stores their compiled programs.

        Returns:
            The time limit for mutants in seconds.
        """
        outcome = self._pytest(tests, None, min_compile_time="0")
        if outcome.result == "killed":
            sys.exit(f"{outcome.log}\n{outcome.by} fails without a mutant; the tests must pass first")
        return max(_LEAST_LIMIT, 3 * outcome.seconds)

    def run_mutant(self, file: str, text: str, tests: list[str], limit: float) -> Outcome:
        """Runs tests with `text` in place of a source file, until the first failure or the time limit."""
        path = self.tree / file
        original = path.read_bytes()
        path.write_text(text)
        try:
            # Mutants store no programs: there would be gigabytes, and a killed process leaves broken files.
            return self._pytest(tests, limit, min_compile_time="1e9")
        finally:
            path.write_bytes(original)

    def _pytest(self, tests: list[str], limit: float | None, min_compile_time: str) -> Outcome:
        environment = {
            **self._environment,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": min_compile_time,
        }
        start = time.monotonic()
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
            cwd=self.tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            log, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.stop()
            process.communicate()
            return Outcome("killed", "time limit", time.monotonic() - start, "")
        except BaseException:  # the command was interrupted
            self.stop()
            raise
        finally:
            self._process = None
        seconds = time.monotonic() - start
        if process.returncode == 0:
            return Outcome("survived", "", seconds, log[-4000:])
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", log, re.MULTILINE)
        return Outcome("killed", failed[1] if failed else f"exit {process.returncode}", seconds, log[-4000:])
