"""The agent itself, sanitized, under requests of a host that has gone mad: it ends, or answers.

It runs as nobody in namespaces of its own, where it can start and write nothing that matters.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runtimes import process
from runtimes.agent.frames import HEADER
from runtimes.images.rootfs.recipe import AGENT_SOURCE
from tests.support.fuzz import Played, Report, campaign
from tests.support.fuzz.mutate import mutated
from tests.support.sanitized import (
    CONFINED,
    ENVIRONMENT,
    REPORTED,
    confined,
    report_in,
)

LIMIT_S = 20.0


def _run(*argv: str, timeout_ms: int = 300) -> bytes:
    words = [str(timeout_ms), "1", "A=b", *argv]
    return b"".join(word.encode() + b"\0" for word in words)


REQUESTS: Sequence[tuple[str, bytes]] = (
    ("R", _run("/bin/true")),
    ("R", _run("/bin/echo", "words")),
    ("R", _run("/bin/sleep", "0.2", timeout_ms=50)),
    ("S", _run("/bin/cat")),
    ("I", b"a line\n"),
    ("K", b"9"),
    ("F", b""),
    ("D", b"/bin/true"),
    ("D", b"/proc/self/status"),
    ("G", b"4096\0/etc/passwd\0"),
    ("P", b"420\0" + b"5\0" + b"/tmp/a\0"),
)


def case(rng: random.Random) -> bytes:
    """Some requests, one after another; most are sound, so that their combination is tried."""
    frames = []
    for _ in range(rng.randint(1, 12)):
        kind, payload = rng.choice(REQUESTS)
        job = rng.choice([1, 1, 2, 3, 2**32 - 1])
        frames.append(_frame(kind, job, mutated(rng, payload) if rng.random() < 0.4 else payload))
        if kind == "P" and rng.random() < 0.8:
            frames.append(_frame("B", job, b"12345"[: rng.choice([5, 5, 5, 0, 3])]))
    if rng.random() < 0.3:
        at = rng.randrange(len(frames))
        frames[at] = mutated(rng, frames[at])
    if rng.random() < 0.7:
        frames.append(_frame("Q", 0, b""))
    return b"".join(frames)


def _frame(kind: str, job: int, payload: bytes) -> bytes:
    return HEADER.pack(kind.encode(), job, len(payload)) + payload


def play(program: Path, data: bytes) -> tuple[bool, str]:
    """Whether all requests were taken, and what came of it that may not; empty for nothing."""
    child = process.spawn(
        [*CONFINED, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        _, err = child.communicate(data, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return True, f"it did not end in {LIMIT_S:g} s"
    finally:
        child.kill()
        child.wait()
    status = child.returncode
    if status == REPORTED or status < 0 or status >= 128:
        return True, f"status {status}: {report_in(err) or err[-300:]!r}"
    return status == 0, ""


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See tests.support.fuzz."""
    with confined([AGENT_SOURCE], "agent") as program:
        if isinstance(program, str):
            return Report(0, 0, (), program)

        def attack() -> tuple[int, str, Played]:
            data = case(rng)
            return 1, data.hex()[:4000], play(program, data)

        return campaign(seconds, corpus, lambda path: play(program, path.read_bytes()), attack)
