"""The shim's program: compiled once, kept by its source's digest."""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from runtimes import directories
from runtimes.images.compile import compile_static

SOURCE = Path(__file__).with_name("shim.c")
FLAGS = ("-std=gnu11", "-O2")


def compiled(cache: Path, progress: Callable[[str], None]) -> Path:
    """The program for this host, from the cache or compiled now.

    Raises:
        RuntimeFault: no compiler, or no space.
    """
    text = f"{platform.machine()} {FLAGS}".encode() + SOURCE.read_bytes()
    directory = cache / "oci"
    program = directory / f"shim-{hashlib.sha256(text).hexdigest()[:16]}"
    if program.exists():
        return program
    progress("compiling the shim")
    directories.closed(directory)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".build-") as building:
        made = Path(building, "shim")
        compile_static(SOURCE, made, FLAGS)
        made.replace(program)
    return program
