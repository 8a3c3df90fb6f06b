"""Seeded fuzzing: a target for each thing that reads what others wrote.

A target is a module here with ``fuzz(rng, seconds, corpus) -> Report``: it first replays the files
of ``corpus`` (``tests/data/fuzz/<target>/``, what was ever found), then makes cases from ``rng``
until ``seconds`` have passed.  A case that ends in anything else than success or the typed fault
of its reader is a finding; the same seed makes the same cases.
"""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

CORPUS = Path(__file__).parents[2] / "data" / "fuzz"
"""A directory for each target."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a target came to."""

    cases: int
    reached: int
    """Cases that came as deep as what the target is about, and were not refused before it."""
    findings: tuple[str, ...] = ()
    """A line for each: what happened, and how to make it happen again (case or file)."""
    skipped: str = ""
    """Why nothing was tried, where this host cannot."""


Played = tuple[int, str]
"""How many cases came deep, and what came of them that may not; empty for nothing."""


def campaign(
    seconds: float,
    corpus: Path,
    replay: Callable[[Path], Played],
    attack: Callable[[], tuple[int, str, Played]],
) -> Report:
    """Replay every file of the corpus, then attack until the time is over.

    Args:
        seconds: for new cases.
        corpus: its files are replayed, however long that takes.
        replay: a file of it.
        attack: new cases: how many, how they are told, and what came of them.
    """
    findings = [
        f"{path.name}: {what}" for path in sorted(corpus.glob("*")) if (what := replay(path)[1])
    ]
    cases = reached = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tried, told, (deep, what) = attack()
        cases, reached = cases + tried, reached + deep
        findings += [f"{told}: {what}"] if what else []
    return Report(cases, reached, tuple(findings))


Target = Callable[[random.Random, float, Path], Report]
"""Random numbers, seconds, the corpus's directory."""

TARGETS: dict[str, str] = {
    "agent-frames": "tests.support.fuzz.agent_frames",
    "agent-program": "tests.support.fuzz.agent_program",
    "image-blobs": "tests.support.fuzz.image_blobs",
    "image-documents": "tests.support.fuzz.image_documents",
    "image-layers": "tests.support.fuzz.image_layers",
    "importers": "tests.support.fuzz.importers",
    "journals": "tests.support.fuzz.journals",
    "launcher-plan": "tests.support.fuzz.launcher_plan",
}
"""Name → module whose ``fuzz`` is the target."""


def target(name: str) -> Target:
    """The target called ``name``."""
    return cast("Target", importlib.import_module(TARGETS[name]).fuzz)
