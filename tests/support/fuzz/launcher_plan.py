"""The launcher, sanitized, under plans that somebody has tampered with: it refuses, fails or obeys.

Steps of real plans in any selection, then bytes of them changed.  It runs as nobody in namespaces
of its own: what a plan asks for is tried, and can reach nothing of the host.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtimes import process
from runtimes.launcher import Plan, Step
from runtimes.launcher.program import SOURCES
from runtimes.linux.cgroups.specs import Bounds
from runtimes.linux.cgroups.v2 import V2
from runtimes.linux.ids.maps import BoxIds, Extent
from runtimes.ns import build
from runtimes.ns.build import Attachment, Box
from runtimes.ns.mounts.mount_plan import BoxPaths, native_root
from runtimes.ns.profiles.catalogue import CATALOGUE
from runtimes.ns.seccomp import compiler
from tests.support.fuzz import Played, Report, campaign
from tests.support.fuzz.mutate import mutated
from tests.support.sanitized import (
    CONFINED,
    ENVIRONMENT,
    REPORTED,
    confined,
    report_in,
)

ANSWER_S = 0.3
"""A plan may wait for ever, for a child that does not come; nobody waits for it here."""
END_S = 5.0
MOST_PLANS = 40
"""By one launcher."""


def steps(state: Path) -> tuple[Step, ...]:
    """Steps of the plans of every profile, each once."""
    ids = BoxIds((Extent(0, 0, 1),), (Extent(0, 0, 1),))
    host = V2(Path("/sys/fs/cgroup"))
    attachment = Attachment(
        Path("/proc/self/ns/net"), "tb0", "tbx1", "198.19.0.2", 24, "198.19.0.1",
        "02:00:00:00:00:02", 1500,
    )  # fmt: skip
    places = BoxPaths(state / "box", state / "stage")
    found: dict[Step, None] = dict.fromkeys(native_root(places).steps)
    for profile in CATALOGUE.values():
        box = Box(
            profile=profile,
            hostname="fuzz",
            places=places,
            ids=ids,
            argv=("/bin/true",),
            environment={"A": "b"},
            creation=host.creation("fuzz", "box", Bounds((0,), 1.0, 64 << 20)),
            controllers=host.controllers,
            attachment=attachment,
            filter=compiler.compile_filter() if profile.seccomp else b"",
        )
        found |= dict.fromkeys(build.plan(box).steps)
    return tuple(found)


def case(rng: random.Random, known: Sequence[Step]) -> bytes:
    """Some steps in any order, then bytes of their packing changed."""
    plan = Plan(tuple(rng.choice(known) for _ in range(rng.randint(1, 8)))).pack()
    return mutated(rng, plan) if rng.random() < 0.7 else plan


class Victim:
    """One sanitized launcher."""

    def __init__(self, program: Path) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.child = process.spawn(
                [*CONFINED, str(program), str(theirs.fileno())],
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                pass_fds=(theirs.fileno(),),
                new_session=True,
            )
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def answers(self, plan: bytes) -> bytes:
        """What it says of a plan within ``ANSWER_S``."""
        status, theirs = os.pipe()
        passed = [self._null, self._null, self._null, theirs]
        try:
            head = struct.pack(f"=I{len(passed)}i", len(passed), *passed)
            socket.send_fds(self._socket, [head + plan], passed)
        except OSError:
            return b""
        finally:
            os.close(theirs)
        try:
            ready, _, _ = select.select([status], [], [], ANSWER_S)
            return os.read(status, 65536) if ready else b""
        finally:
            os.close(status)

    def end(self) -> str:
        """End it; what a sanitizer said, or the signal that it died by."""
        self._socket.close()
        os.close(self._null)
        try:
            self.child.wait(END_S)
        except subprocess.TimeoutExpired:  # it waits for a child of a plan
            os.killpg(self.child.pid, signal.SIGKILL)
        _, err = self.child.communicate()
        told = report_in(err)
        crashed = self.child.returncode in {REPORTED, -signal.SIGSEGV, -signal.SIGABRT}
        return told or (f"status {self.child.returncode}: {err[-300:]!r}" if crashed else "")


@contextlib.contextmanager
def victim(program: Path) -> Iterator[Victim]:
    """One sanitized launcher, gone afterwards."""
    made = Victim(program)
    try:
        yield made
    finally:
        if made.child.poll() is None:
            made.child.kill()
            made.child.wait()
        if made.child.stderr is not None:
            made.child.stderr.close()


def play(program: Path, plans: Sequence[bytes]) -> tuple[int, str]:
    """How many were answered, and what came of them that may not; empty for nothing."""
    with victim(program) as launcher:
        answered = sum(bool(launcher.answers(plan)) for plan in plans)
        return answered, launcher.end()


def fuzz(rng: random.Random, seconds: float, corpus: Path) -> Report:
    """See tests.support.fuzz."""
    sources = sorted(SOURCES.glob("*.c"))
    with confined(sources, "launcher") as program:
        if isinstance(program, str):
            return Report(0, 0, (), program)
        known = steps(program.parent)

        def attack() -> tuple[int, str, Played]:
            plans = [case(rng, known) for _ in range(rng.randint(1, MOST_PLANS))]
            told = repr(b" ".join(plan.hex().encode() for plan in plans))
            return len(plans), told, play(program, plans)

        return campaign(seconds, corpus, lambda path: play(program, [path.read_bytes()]), attack)
