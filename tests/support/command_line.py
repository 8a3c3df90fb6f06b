"""Run the project's own command line, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.directories import PROJECT


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
    return _ended(command(*words), timeout_s, dict(os.environ))


def module(name: str, *words: str, home: Path, timeout_s: float = 60.0) -> Ended:
    """Run ``python -m name words``; state and cache are below ``home``, not this host's."""
    own = {"TAREBENCH_STATE": str(home / "state"), "TAREBENCH_CACHE": str(home / "cache")}
    return _ended([sys.executable, "-m", name, *words], timeout_s, {**os.environ, **own})


def _ended(argv: list[str], timeout_s: float, environment: dict[str, str]) -> Ended:
    done = subprocess.run(
        argv,
        cwd=PROJECT,
        env=environment,
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
