"""One box by hand: made as a trial makes it, given files, a command run in it, files taken from it.

For whoever writes a workload, or wants to know what a box is like inside.  Nothing is recorded.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness.equipment import Equipment
from harness.errors import HarnessFault, UsageFault
from harness.plan.plan import Request, make_plan
from harness.plan.schedule import Arm
from harness.prepare.prepare import prepared
from harness.progress.progress import TerminalObserver
from harness.run.bench import exclusively
from harness.trial.box import started
from harness.trial.context import Context
from runtimes import variations
from runtimes.agent.channel import BoxFile, JobResult
from runtimes.agent.files import LIMIT_BYTES
from runtimes.base import DEFAULT_PROFILE, Capability
from runtimes.resources import LimitsRead

TRANSFER_S = 120.0
LONGEST_S = 86_400.0
BROUGHT = "/tmp"  # noqa: S108  # in the box, which has nothing else in it
SHELL = ("/bin/sh", "-c")


@dataclass(frozen=True, slots=True)
class Transfer:
    """A file here and its place in the box."""

    here: Path
    there: str


@dataclass(frozen=True, slots=True)
class OneShot:
    """What is to be done in one box."""

    arm: Arm
    command: str
    """For the box's shell."""
    timeout_s: float
    bring: tuple[Transfer, ...] = ()
    fetch: tuple[Transfer, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What became of a one-shot."""

    result: JobResult
    limits: LimitsRead
    """As read back from outside."""
    marks: Mapping[str, int] = field(default_factory=dict)
    """Phase → instant, ns on the host's monotonic clock."""


def arm_of(text: str) -> Arm:
    """``kvm:micro`` as an arm."""
    backend, _, profile = text.partition(":")
    return Arm(backend, profile or DEFAULT_PROFILE)


def to_bring(text: str) -> Transfer:
    """``FILE:PATH``; without a path, into the box's /tmp.

    Raises:
        UsageFault: the file is not there, is no regular one or is too large, or the path is not
            absolute.
    """
    name, separator, there = text.partition(":")
    here = Path(name)
    try:
        status = here.stat()
    except OSError as error:
        raise UsageFault(
            f"--bring {text}: {error.strerror}", hint="write it as FILE:PATH"
        ) from None
    if not stat.S_ISREG(status.st_mode) or status.st_size > LIMIT_BYTES:
        raise UsageFault(
            f"--bring {text}: not a regular file of at most {LIMIT_BYTES >> 20} MiB",
            hint="put several into an archive, and unpack it in the box",
        )
    return Transfer(here, _absolute("--bring", there if separator else f"{BROUGHT}/{here.name}"))


def to_fetch(text: str) -> Transfer:
    """``PATH:FILE``; without a file, into the current directory under its own name.

    Raises:
        UsageFault: the path is not absolute.
    """
    there, _, here = text.partition(":")
    path = _absolute("--fetch", there)
    return Transfer(Path(here or PurePosixPath(path).name), path)


def _absolute(option: str, path: str) -> str:
    if not path.startswith("/") or path.endswith("/"):
        raise UsageFault(
            f"{option}: {path!r} is no absolute path of a file in the box",
            hint="write --bring FILE:/PATH or --fetch /PATH:FILE",
        )
    return path


def run_one_shot(
    equipment: Equipment,
    request: Request,
    one_shot: OneShot,
    observer: TerminalObserver,
    *,
    wait: bool,
) -> Outcome:
    """Prepare what the one-shot's box needs, and carry it out.

    Raises:
        UsageFault, HarnessFault, RuntimeFault: see ``bench`` and ``carry_out``.
    """
    if not 0 < one_shot.timeout_s <= LONGEST_S:
        raise UsageFault(
            f"--seconds {one_shot.timeout_s:g} is not between 1 and {LONGEST_S:g}",
            hint="it is the time limit of the command",
        )
    plan = make_plan(request, equipment.runtimes, equipment.workloads)
    if one_shot.arm not in plan.arms:
        raise UsageFault(
            f"{request.backend!r} is not one kind of box", hint="name one, such as kvm:micro"
        )
    able = variations.capabilities(equipment.runtimes[one_shot.arm.backend], one_shot.arm.profile)
    with (
        exclusively(equipment, plan, observer, wait=wait),
        observer.showing(),
        prepared(plan, equipment, observer) as ready,
    ):
        observer.doing(f"starting {one_shot.arm.name}")
        return carry_out(ready.context, one_shot, volume=Capability.VOLUME in able)


def carry_out(context: Context, one_shot: OneShot, *, volume: bool) -> Outcome:
    """Start a box, run the one-shot's command in it, stop and remove it.

    What the command has left is fetched however it ended.

    Raises:
        HarnessFault: a file cannot be read or written here.
        RuntimeFault: the box cannot be had, or refuses a file.
    """
    contents = [(transfer, _read(transfer.here)) for transfer in one_shot.bring]
    arm = one_shot.arm
    with started(context, arm.backend, arm.profile, volume=volume) as box:
        agent = box.instance.agent
        for transfer, content in contents:
            mode = stat.S_IMODE(transfer.here.stat().st_mode) & 0o777
            agent.put(transfer.there, content, mode=mode, timeout_s=TRANSFER_S)
        result = agent.run([*SHELL, one_shot.command], timeout_s=one_shot.timeout_s)
        outcome = Outcome(result, box.instance.limits(), box.marks)
        for transfer in one_shot.fetch:
            _write(transfer.here, agent.get(transfer.there, timeout_s=TRANSFER_S))
    return outcome


def summary(one_shot: OneShot, outcome: Outcome) -> str:
    """Say in a line how it went."""
    result, marks = outcome.result, outcome.marks
    up_ms = (marks["first_byte"] - marks["request"]) / 1e6
    cpu_ms = (result.user_ns + result.sys_ns) / 1e6
    how = f"signal {-result.status}" if result.status < 0 else f"exit status {result.status}"
    parts = [
        f"{one_shot.arm.name}: first byte after {up_ms:.1f} ms",
        f"{how} after {result.wall_ns / 1e6:.1f} ms, {cpu_ms:.1f} ms of CPU",
        f"{result.max_rss_bytes / 1e6:.1f} MB at most",
        f"time limit of {one_shot.timeout_s:g} s" if result.timed_out else "",
        "output cut off" if result.truncated else "",
    ]
    return "; ".join(filter(None, parts))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HarnessFault(f"cannot read {path}: {error.strerror}") from None


def _write(path: Path, file: BoxFile) -> None:
    """Whole or not at all; what the box calls set-user-id is an ordinary file here."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(file.content)
        draft.chmod(file.mode & 0o777)
        draft.rename(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise HarnessFault(f"cannot write {path}: {error.strerror}") from None
