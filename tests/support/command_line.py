"""Run the project's own command line, as a user would."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.places import PROJECT


@dataclass(frozen=True, slots=True)
class Ended:
    """How an invocation ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def run(self) -> Path:
        """The run's directory, from the line that names the report."""
        (line,) = [each for each in self.stdout.splitlines() if each.startswith("report: ")]
        return Path(line.removeprefix("report: ")).parent


def command(*words: str) -> list[str]:
    """argv of ``invoke <words>``."""
    return [sys.executable, "-m", "invoke", *words]


def invoke(*words: str, timeout_s: float = 900.0) -> Ended:
    """Run ``invoke <words>`` to its end; any exit status will do."""
    done = subprocess.run(
        command(*words),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def start(*words: str) -> subprocess.Popen[bytes]:
    """Start ``invoke <words>``; the caller ends it."""
    return subprocess.Popen(
        command(*words), cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
