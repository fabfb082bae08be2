"""Stand-ins for programs that the scripts of launch/ call. They are first on PATH and record their calls."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"

# As in a terminal: in the background of a shell, the tests run with SIGINT ignored.
_TAKE_SIGNALS = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Stubs:
    """A folder of stand-ins.

    Attributes:
        calls: file with a line for each call, the program's name first.
        scripts: folder of the scripts, launch/.
        environment: variables for a script that is to find them.
    """

    def __init__(self, folder: Path) -> None:
        """Creates the folder."""
        self._bin = folder / "bin"
        self._bin.mkdir(parents=True)
        self.calls = folder / "calls"
        self.calls.touch()
        self.scripts = LAUNCH
        self.environment = {
            **os.environ,
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "VIRTUAL_ENV": "active",
            "STUB_CALLS": str(self.calls),
            "STUB_FOLDER": str(folder),
        }

    def add(self, name: str, body: str = "", *, records: bool = True) -> None:
        """Adds a program with the commands `body`."""
        path = self._bin / name
        record = 'echo "$(basename "$0") $*" >>"$STUB_CALLS"\n' if records else ""
        path.write_text(f"#!/usr/bin/env bash\n{record}{body}\n")
        path.chmod(0o755)

    def start(self, script: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Starts a script."""
        return subprocess.Popen(
            [sys.executable, "-IS", "-c", _TAKE_SIGNALS, "bash", str(self.scripts / script), *arguments],
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script to its end."""
        process = self.start(script, *arguments, **variables)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def called(self) -> list[str]:
        """The calls until now."""
        return self.calls.read_text().splitlines()
