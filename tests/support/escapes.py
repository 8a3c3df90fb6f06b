"""Boxes of ``ns`` with the attack program inside, and weakened ones in which attacks succeed.

An attack that fails proves something only if the same program succeeds where nothing stops it:
each is therefore also run in a box from which the mechanism under test has been taken away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pytest

from harness.directories import places
from harness.prepare import testbed
from runtimes import process
from runtimes.agent.channel import Agent
from runtimes.base import InstanceSpec, Site
from runtimes.images.compile import compile_static
from runtimes.launcher import LaunchFault, Plan
from runtimes.launcher.instance import LaunchedInstance
from runtimes.launcher.operations import Clone
from runtimes.native import NativeRuntime
from runtimes.ns import build
from runtimes.ns.engine import NamespaceEngine, prepared
from runtimes.ns.mounts.mount_plan import BoxPaths
from runtimes.ns.profile import DEFAULT
from runtimes.ns.profiles.catalogue import CATALOGUE
from runtimes.process import ENVIRONMENT
from runtimes.resources import Limits
from tests.support.sites import held_testbed
from tests.support.tiny_rootfs import tiny_rootfs

RUN = secrets.token_hex(3)
LIMITS = Limits((0,), 1.0, 96 << 20)
SOURCES = Path(__file__).parent / "attacks"
PROGRAM = "/bin/attack"
SET_UID_PROGRAM = "/bin/attack-as-root"

WIDE_OPEN = replace(
    DEFAULT, user=False, capabilities=False, seccomp=False, masks=False, no_new_privileges=False
)
"""A "privileged" container: namespaces and nothing else."""

WEAKENED = {
    "wide-open": WIDE_OPEN,
    "only-masks": replace(WIDE_OPEN, masks=True),
    "only-filter": replace(WIDE_OPEN, seccomp=True, no_new_privileges=True),
    "only-capabilities": replace(WIDE_OPEN, capabilities=True),
    "only-userns": replace(WIDE_OPEN, user=True),
    "only-no-new-privileges": replace(WIDE_OPEN, no_new_privileges=True),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far an attack came."""

    reason: str
    """Name of the errno; empty where the attack succeeded."""
    note: str
    """What it saw."""


def outcome(text: str) -> Outcome:
    """Read what the attack program printed."""
    code, _, note = text.partition(" ")
    number = int(code)
    return Outcome(errno.errorcode.get(number, str(number)) if number else "", note.strip())


@dataclass(frozen=True, slots=True)
class Arena:
    """Where attacks take place."""

    site: Site
    bed: testbed.Testbed
    engine: NamespaceEngine
    program: Path
    """On the host, for attacks that must succeed there."""

    @contextlib.contextmanager
    def box(
        self,
        profile: str = "default",
        *,
        limits: Limits = LIMITS,
        volume: Path | None = None,
        slot: int = 0,
    ) -> Iterator[LaunchedInstance]:
        """A greeted box."""
        lease = self.bed.lease(slot)
        spec = InstanceSpec(f"tb-{RUN}-{slot}", profile, limits, lease, volume=volume)
        instance = self.engine.start(spec)
        try:
            instance.agent.hello(10)
            yield instance
        finally:
            instance.remove()

    def in_box(self, profile: str, *argv: str | int) -> Outcome:
        """Outcome of one attack in a fresh box of a profile."""
        with self.box(profile) as instance:
            return attack(instance.agent, *argv)

    def on_host(self, *argv: str | int, before: tuple[str, ...] = ()) -> Outcome:
        """Outcome of one attack as root of the host; ``before`` is put before the command."""
        done = process.run([*before, str(self.program), *map(str, argv)], timeout_s=20)
        return outcome(done.stdout.decode())


def attack(agent: Agent, *argv: str | int) -> Outcome:
    """Outcome of one attack in a running box."""
    done = agent.run([PROGRAM, *map(str, argv)], timeout_s=30)
    assert done.status == 0, f"{argv}: status {done.status}, {done.stderr!r}"
    return outcome(done.stdout.decode())


def run_in(
    arena: Arena,
    profile: str,
    *argv: str,
    directory: str = "/",
    stdin: int | None = None,
    given: tuple[int, ...] = (),
) -> str:
    """What an attack says that is a box's main program; ``failed`` where it was not started.

    Its working directory, terminal and the launcher's descriptors are the caller's choice.
    """
    name, engine, born_in = f"run-{secrets.token_hex(3)}", arena.engine, unified_cgroup()
    box = build.Box(
        profile=replace(CATALOGUE[profile], network=CATALOGUE["no-net"].network),
        hostname="box",
        places=BoxPaths(arena.site.state / name, arena.site.state / ".stage"),
        ids=engine.ids,
        argv=(PROGRAM, *argv),
        environment=ENVIRONMENT,
        controllers=engine.hierarchy.controllers,
        lifeline_fd=engine.lifeline_fd,
        filter=engine.filter,
        directory=directory,
    )
    read, write = os.pipe()
    plan, passed = born(build.plan(box), born_in), (engine.lifeline_fd, *given)
    try:
        started = engine.launcher.start(plan, stdin=stdin, stdout=write, pass_fds=passed)
    except LaunchFault as fault:
        return f"failed {fault}"
    else:
        started.wait(10)
        return os.read(read, 4096).decode()
    finally:
        os.close(read)
        os.close(write)
        if born_in:
            born_in.rmdir()


def unified_cgroup() -> Path | None:
    """A cgroup on the v2 hierarchy, of which the launcher has a descriptor while it clones."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            made = Path(left.split()[4]) / f"tb-{secrets.token_hex(3)}"
            made.mkdir()
            return made
    return None


def born(plan: Plan, group: Path | None) -> Plan:
    """The plan, with its child born in a v2 cgroup."""
    if group is None:
        return plan
    steps = (
        replace(step, operation=replace(step.operation, cgroup=str(group)))
        if isinstance(step.operation, Clone)
        else step
        for step in plan.steps
    )
    return Plan(tuple(steps))


def compiled(output: Path) -> Path:
    """The attack program."""
    compile_static(sorted(SOURCES.glob("*.c")), output, ["-std=gnu11", "-O1", "-Wextra", "-Werror"])
    return output


@contextlib.contextmanager
def native_box(arena: Arena, slot: int = 0) -> Iterator[LaunchedInstance]:
    """A greeted box of ``native`` in the arena; skips, with the reason, where it cannot run."""
    why = NativeRuntime().availability({})
    if not why.ok:
        pytest.skip(f"native cannot run here: {why.reason}")
    with NativeRuntime().prepare(arena.site, frozenset({"default"})) as engine:
        spec = InstanceSpec(f"tb-{RUN}-{slot}", "default", LIMITS, arena.bed.lease(slot))
        native = engine.start(spec)
        assert isinstance(native, LaunchedInstance)
        try:
            native.agent.hello(10)
            yield native
        finally:
            native.remove()


@contextlib.contextmanager
def arena(where: Path) -> Iterator[Arena]:
    """Make everything below ``where``, on a file system that overlayfs can write to."""
    rootfs = tiny_rootfs(where / "rootfs")
    program = compiled(rootfs.directory / PROGRAM[1:])
    as_root = rootfs.directory / SET_UID_PROGRAM[1:]
    shutil.copy(program, as_root)
    as_root.chmod(0o4755)
    with (
        mock.patch.dict(cast("dict[str, Any]", CATALOGUE), WEAKENED),
        held_testbed(RUN) as bed,
    ):
        site = Site(
            run=RUN,
            state=where / "state",
            cache=places().cache,
            rootfs=rootfs,
            network=bed,
            limits=LIMITS,
            progress=lambda _: None,
        )
        with prepared(site, frozenset(CATALOGUE)) as engine:
            yield Arena(site, bed, engine, program)
