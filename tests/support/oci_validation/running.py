"""Run programs of the suite, each in a directory of its own, against one runtime."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.oci_validation.outcome import failures

_LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one program found."""

    program: str
    failures: tuple[str, ...]
    output: str
    """All that it said, for who wants to know more."""


def run(suite: Path, program: str, runtime: Path, where: Path) -> Outcome:
    """One program of the suite in ``suite`` against ``runtime``; bundles are made in ``where``."""
    with tempfile.TemporaryDirectory(dir=where, prefix=f"{program}-") as temporary:
        Path(temporary).chmod(0o711)  # the root of a user namespace walks through it
        done = subprocess.run(
            [suite / "bin" / program],
            cwd=suite,
            env={
                "PATH": os.environ["PATH"],
                "RUNTIME": str(runtime),
                "TMPDIR": temporary,
                "HOME": temporary,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
    output, errors = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    return Outcome(program, failures(done.returncode, output, errors), f"{output}\n{errors}")
