"""Programs that a test finds made: in an emulated guest a compiler takes most of a test's time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from runtimes import directories
from runtimes.images.compile import compile_static
from runtimes.images.rootfs.recipe import AGENT_SOURCE
from runtimes.launcher import compiled

VARIABLE = "TAREBENCH_TEST_BROUGHT"
"""The directory that ``bring`` has filled; unset: all is compiled where it is wanted."""
_AGENT, _CACHE = "agent", "cache"


def bring(where: Path) -> Path:
    """Compile agent and launcher into the new directory ``where``."""
    where.mkdir()
    compile_static(AGENT_SOURCE, where / _AGENT)
    compiled(where / _CACHE, print)
    return where


def agent(output: Path) -> None:
    """The agent, as it was brought or compiled now."""
    brought = os.environ.get(VARIABLE)
    if brought:
        shutil.copy(Path(brought, _AGENT), output)
    else:
        compile_static(AGENT_SOURCE, output)


def launcher(cache: Path) -> None:
    """Have ``cache`` hold the launcher, if that was brought."""
    brought = os.environ.get(VARIABLE)
    if brought:
        directories.closed(cache)
        shutil.copytree(Path(brought, _CACHE), cache, dirs_exist_ok=True)
