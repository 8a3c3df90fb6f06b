"""A program that stands for this command line, for engines that want one file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_TEXT = """\
#!{python} -I
# Made by tarebench: its OCI runtime `ns`, for dockerd --add-runtime NAME=this file.
import os
import sys

sys.path[:0] = {paths}
os.environ.update({environment})
from runtimes.standalone.oci.command.main import main

sys.exit(main())
"""
_KEPT = ("TAREBENCH_STATE", "TAREBENCH_CACHE")


def install(path: Path) -> None:
    """Write it, executable.  It finds this code and its libraries, wherever it is started.

    Isolated (-I), so that neither the caller's directory, which is the bundle's, nor its
    environment leads Python to somebody else's code.
    """
    project = Path(__file__).resolve().parents[4]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    text = _TEXT.format(python=sys.executable, paths=[str(project)], environment=environment)
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.chmod(0o755)
    new.replace(path)
